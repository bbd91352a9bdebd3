// Package dashboards tests what operators look at: the Grafana dashboards and the
// Prometheus rules in the folder dashboards. It has no code of its own.
//
// Every query is parsed, and held to the names of runtime/taskconv and to the instruments
// that the program really makes; then it runs on a real Prometheus that scrapes real
// processes, and has to return something: to Prometheus, a misspelled metric is an answer
// without series. The rules are tested by promtool.
//
// The dashboards are not in this module, so that go test does not see them change: run it
// with -count=1.
package dashboards
