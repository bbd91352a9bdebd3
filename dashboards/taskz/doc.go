// Package taskz is a live page about the tasks of a runtime.
package taskz
