package taskz

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"
)

// What a list shows of a text: a state goes to each viewer each second. A detail has all
// that the runtime kept.
const (
	maxName = 200
	maxText = 300
)

// cut is s, or its beginning. Invalid UTF-8 is left for the JSON encoder, which replaces it.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// shortName cuts a name so that different names stay different: rows are known by them.
func shortName(s string) string {
	if len(s) <= maxName {
		return s
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(s)) // never fails
	return fmt.Sprintf("%s~%08x", cut(s, maxName), sum.Sum32())
}

// webURL is s if a browser may be sent there: a javascript: URL in Config.TraceURL would
// be a script of the page's.
func webURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return s
}
