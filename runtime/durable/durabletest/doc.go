// Package durabletest has two things for durable tasks. Engine is a durable queue in
// memory, for the tests of applications. Exercise is what every durable.Engine has to
// pass; those who write one call it in a test:
//
//	func TestEngine(t *testing.T) {
//		durabletest.Exercise(t, open(t), durabletest.Begin(begin))
//	}
package durabletest
