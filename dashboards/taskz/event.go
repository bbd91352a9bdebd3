package taskz

import "encoding/json"

// event is a server-sent event, ready to be written to any number of streams.
type event []byte

const (
	eventField = "event: "
	dataField  = "\ndata: "
	eventEnd   = "\n\n"
)

// newEvent frames v as JSON, which has no newline in it.
func newEvent(name string, v any) event {
	data := encode(v)
	e := make(event, 0, len(eventField)+len(name)+len(dataField)+len(data)+len(eventEnd))
	e = append(append(e, eventField...), name...)
	e = append(append(e, dataField...), data...)
	return append(e, eventEnd...)
}

// data is the JSON of an event of that name.
func (e event) data(name string) []byte {
	return e[len(eventField)+len(name)+len(dataField) : len(e)-len(eventEnd)]
}

// encode is for our own types, which have nothing in them that JSON can't hold.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("taskz: " + err.Error())
	}
	return data
}
