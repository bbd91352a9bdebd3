// Package jaeger asks a Jaeger what it has of a program's traces, and checks them: that the
// tasks are found by their names and arguments' values, hang below their requests, refer to
// them as FOLLOWS_FROM, and that Jaeger has nothing to warn of.
//
// The answers are those of Jaeger's HTTP API for its own user interface, GET /api/traces.
// It has no stated stability, but it is what the interface shows: a link to the parent
// becomes the child's one reference, of type FOLLOWS_FROM; links have no attributes.
package jaeger

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Client asks a Jaeger.
type Client struct {
	URL  string // of the query service, such as http://127.0.0.1:16686
	HTTP *http.Client
}

// Search returns the traces of a service that have a span with these tags, the newest
// first, at most 20 of them.
func (c Client) Search(ctx context.Context, service string, tags map[string]string) ([]Trace, error) {
	text, err := json.Marshal(tags)
	if err != nil {
		return nil, err
	}
	query := url.Values{"service": {service}, "tags": {string(text)}, "limit": {"20"}, "lookback": {"1h"}}
	var answer struct {
		Data   []Trace
		Errors []struct {
			Code    int
			Message string `json:"msg"`
		}
	}
	if err := c.get(ctx, "/api/traces?"+query.Encode(), &answer); err != nil {
		return nil, err
	}
	if len(answer.Errors) > 0 {
		return nil, fmt.Errorf("jaeger: search for %s in %s: %v", text, service, answer.Errors)
	}
	return answer.Data, nil
}

func (c Client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("jaeger: GET %s: %s: %.500s", path, resp.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("jaeger: GET %s: %w: %.500s", path, err, body)
	}
	return nil
}
