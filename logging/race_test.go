//go:build race

package logging

const raceEnabled = true // sync.Pool drops at random then
