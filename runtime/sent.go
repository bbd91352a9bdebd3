package postlude

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"sync"
)

// This file answers one question: when has the response been sent?
//
//	HTTP/1, attached server  ConnState says Idle or Closed: net/http has handed the last
//	                         byte to the kernel. Exact.
//	HTTP/2                   the middleware flushes, so net/http has headers and body so
//	                         far in line for the connection; then as below. The kernel
//	                         may get them some microseconds after a task has started,
//	                         and the END_STREAM flag may follow.
//	otherwise                the middleware has returned and net/http has canceled the
//	                         request's context, which it does right after the handler's
//	                         return and before it flushes what is left: a window of some
//	                         microseconds, in which a task may start before the last byte.
//	                         It is larger if a middleware outside has replaced the context
//	                         by one that ends sooner, or never.
//	hijacked connection      as otherwise: what is sent there is the handler's business.

// Attach has srv tell the runtime when responses have been sent: after-response tasks
// of HTTP/1 requests then never start before the last byte of the response was handed
// to the kernel. Call it before srv serves. It wraps srv.ConnState and srv.ConnContext
// and calls those that were set before.
func (rt *Runtime) Attach(srv *http.Server) {
	var conns sync.Map // net.Conn to *conn
	connContext, connState := srv.ConnContext, srv.ConnState
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, c)
		}
		if !reflect.ValueOf(c).Comparable() { // can't be found again: as if not attached
			return ctx
		}
		tracked := new(conn)
		conns.Store(c, tracked)
		return context.WithValue(ctx, connKey, tracked)
	}
	srv.ConnState = func(c net.Conn, state http.ConnState) {
		if connState != nil {
			connState(c, state)
		}
		if !reflect.ValueOf(c).Comparable() {
			return
		}
		v, ok := conns.Load(c)
		if !ok {
			return
		}
		if state == http.StateHijacked || state == http.StateClosed {
			conns.Delete(c)
		}
		v.(*conn).enter(state)
	}
}

type connKeyType struct{}

var connKey any = connKeyType{}

// conn counts the responses of one HTTP/1 connection, which come one after the other.
type conn struct {
	mu      sync.Mutex
	turns   uint64         // responses sent
	state   http.ConnState // the last that we were told
	told    bool           // we are told at all: somebody may have set ConnState after Attach
	waiting []*request     // in this turn
}

// connOf returns the connection of an HTTP/1 request to an attached server.
func connOf(r *http.Request) *conn {
	if r.ProtoMajor != 1 {
		return nil // ConnState is of the connection there, not of the stream
	}
	c, _ := r.Context().Value(connKey).(*conn)
	return c
}

func (c *conn) turn() uint64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turns
}

// enter notes the connection's state. All but New and Active end a turn: the response has
// been sent.
func (c *conn) enter(state http.ConnState) {
	c.mu.Lock()
	c.state, c.told = state, true
	if state == http.StateNew || state == http.StateActive {
		c.mu.Unlock()
		return
	}
	c.turns++
	sent := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, q := range sent {
		q.responseSent()
	}
}

// wait has enter call q.responseSent. It reports false if the connection can't tell,
// and sent if the response of q's turn was sent already, as http.TimeoutHandler does
// while the handler behind it still runs.
func (c *conn) wait(q *request) (ok, sent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == http.StateHijacked, !c.told:
		return false, false
	case c.turns != q.turn0, c.state == http.StateClosed:
		return true, true
	}
	c.waiting = append(c.waiting, q)
	return true, false
}

// whenSent has responseSent called when the response has been sent.
func (q *request) whenSent() {
	if q.late {
		q.responseSent()
		return
	}
	if q.conn != nil {
		if ok, sent := q.conn.wait(q); sent {
			q.responseSent()
			return
		} else if ok {
			return
		}
	}
	if q.client.Done() == nil { // not net/http's: a test's, say. There is nothing to wait for
		q.responseSent()
		return
	}
	context.AfterFunc(q.client, q.responseSent)
}

// flush sends an HTTP/2 response on its way, as the end of the handler does not wait
// for that. It must not be done for HTTP/1, where it would turn a response with a
// length into a chunked one, and is done only if a task waits for the response.
func (q *request) flush(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	waits := len(q.response) > 0
	q.mu.Unlock()
	if waits && r.ProtoMajor == 2 {
		_ = http.NewResponseController(w).Flush() // one that can't flush has its reasons
	}
}
