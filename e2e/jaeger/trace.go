package jaeger

// The kinds of reference that a span may have to another.
const (
	ChildOf     = "CHILD_OF"
	FollowsFrom = "FOLLOWS_FROM"
)

// Trace is a trace as the user interface gets it.
type Trace struct {
	ID        string             `json:"traceID"`
	Spans     []Span             `json:"spans"`
	Processes map[string]Process `json:"processes"`
	Warnings  []string           `json:"warnings"`
}

// Process is where spans come from.
type Process struct {
	Service string `json:"serviceName"`
	Tags    []Tag  `json:"tags"`
}

// Span is one span of a trace.
type Span struct {
	ID         string      `json:"spanID"`
	Name       string      `json:"operationName"`
	References []Reference `json:"references"`
	Start      int64       `json:"startTime"` // microseconds
	Duration   int64       `json:"duration"`  // microseconds
	Tags       []Tag       `json:"tags"`
	Logs       []Log       `json:"logs"`
	ProcessID  string      `json:"processID"`
	Warnings   []string    `json:"warnings"`
}

// Reference is a parent, or a link.
type Reference struct {
	Type  string `json:"refType"`
	Trace string `json:"traceID"`
	Span  string `json:"spanID"`
}

// Tag is an attribute. Its type is string, bool, int64, float64 or binary.
type Tag struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// Log is an event.
type Log struct {
	Time   int64 `json:"timestamp"` // microseconds
	Fields []Tag `json:"fields"`
}

// Tag returns the value of a tag and its type.
func (s Span) Tag(key string) (value any, kind string) { return find(s.Tags, key) }

func find(tags []Tag, key string) (value any, kind string) {
	for _, t := range tags {
		if t.Key == key {
			return t.Value, t.Type
		}
	}
	return nil, ""
}

// Parent returns the reference by which Jaeger hangs the span into the tree: the first one
// to a span of its own trace, preferably as its child.
func (s Span) Parent(trace string) (Reference, bool) {
	var parent Reference
	for _, r := range s.References {
		if r.Trace == trace && (parent.Span == "" || parent.Type != ChildOf && r.Type == ChildOf) {
			parent = r
		}
	}
	return parent, parent.Span != ""
}
