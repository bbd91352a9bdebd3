package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// calls calls other services over HTTP. The context carries trace and baggage.
type calls struct {
	client          *http.Client
	payment, others string // URLs
}

// post posts body as JSON, and makes an error of what is not an answer of 2xx.
func (c calls) post(ctx context.Context, service, url string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if task, ok := postlude.TaskOf(ctx); ok {
		req.Header.Set("Idempotency-Key", task.ID) // the same for all attempts
		req.Header.Set(retryCount, strconv.Itoa(task.Attempt-1))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err // a *url.Error: there was no answer
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // the connection can be used again
	return refusal(service, resp)
}

// refusal makes an error of an answer, one that error handlers can tell from others.
func refusal(service string, resp *http.Response) error {
	status := &StatusError{Service: service, Code: resp.StatusCode}
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusPaymentRequired:
		return &DeclinedError{status}
	case resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return postlude.Permanent(status) // as wrong tomorrow
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		return postlude.RetryableAfter(status, time.Duration(s)*time.Second)
	}
	return status
}

// StatusError says that a service answered, and did not do what it was asked for.
type StatusError struct {
	Service string
	Code    int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the %s service answered %d %s", e.Service, e.Code, http.StatusText(e.Code))
}

// DeclinedError says that a payment was declined.
type DeclinedError struct{ *StatusError }

// retryCount tells a service how often it has been called in vain.
const retryCount = "Retry-Count"

// pause stands for work: it takes d, more or less.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
