package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

// uncomparable is a connection that can't be the key of a map, but has a type that can.
type uncomparable struct{ any }

type uncomparableConn struct {
	net.Conn
	uncomparable
}

type uncomparableListener struct{ net.Listener }

func (l uncomparableListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return uncomparableConn{c, uncomparable{[]int{1}}}, nil
}

// TestAttachKeepsHooks: those of the server that were set before go on being called,
// and a connection that can't be tracked is served as if not attached.
func TestAttachKeepsHooks(t *testing.T) {
	for _, comparable := range []bool{true, false} {
		t.Run(fmt.Sprintf("comparable %t", comparable), func(t *testing.T) {
			h, d := newHTTP(t, postlude.Config{})
			type key struct{}
			srv := &http.Server{
				ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, key{}, "kept") },
				ConnState:   func(_ net.Conn, s http.ConnState) { d.note(s.String()) },
				Handler: h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if r.Context().Value(key{}) != "kept" {
						t.Error("ConnContext was not called")
					}
					accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
				})),
			}
			h.Runtime().Attach(srv)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			if !comparable {
				l = uncomparableListener{l}
			}
			served := make(chan error, 1)
			go func() { served <- srv.Serve(l) }()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Get("http://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if err := errors.Join(srv.Shutdown(t.Context()), ignore(<-served, http.ErrServerClosed)); err != nil {
				t.Error(err)
			}
			h.Settle()
			if comparable { // else the task overtakes the end of the connection, or not
				d.expect(t, "new", "active", "closed", "run sent")
			}
		})
	}
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
