package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"time"
)

// request is what a client sends. net/http's own client would cost more than the server
// that is measured.
const request = "POST /orders/o-17 HTTP/1.1\r\nHost: shop\r\nUser-Agent: bench\r\nContent-Length: 0\r\n\r\n"

// client sends one request after another on a connection of its own, until the latencies
// are known.
func (s *server) client(latencies []time.Duration) error {
	conn, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for i := range latencies {
		began := time.Now()
		if _, err := conn.Write([]byte(request)); err != nil {
			return err
		}
		if err := readResponse(in); err != nil {
			return err
		}
		latencies[i] = time.Since(began)
	}
	return nil
}

// readResponse reads one without a body, and takes no other than the one that is served.
func readResponse(in *bufio.Reader) error {
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 202 ")) {
			return fmt.Errorf("the server answers %q", line)
		}
		if len(line) == 2 {
			return nil
		}
	}
}
