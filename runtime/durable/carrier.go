package durable

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Carrier is what a propagator writes and, in another process, reads again: a
// propagation.TextMapCarrier. As JSON it is an object of texts, in the order of their keys.
// The zero Carrier is empty.
type Carrier struct{ fields []field }

type field struct{ key, value string }

// CarrierOf returns a Carrier of the fields.
func CarrierOf(fields map[string]string) (c Carrier) {
	for key, value := range fields {
		c.fields = append(c.fields, field{key, value})
	}
	slices.SortFunc(c.fields, byKey)
	return c
}

func byKey(a, b field) int { return cmp.Compare(a.key, b.key) }

// find returns the place of the key, or where it belongs. There are three of them, mostly.
func (c *Carrier) find(key string) (int, bool) {
	for i := range c.fields {
		if c.fields[i].key >= key {
			return i, c.fields[i].key == key
		}
	}
	return len(c.fields), false
}

// Get returns the value of the key; "" if there is none.
func (c *Carrier) Get(key string) string {
	if i, ok := c.find(key); ok {
		return c.fields[i].value
	}
	return ""
}

// Set sets the value of the key. Copies of the Carrier stay as they are.
func (c *Carrier) Set(key, value string) {
	c.fields = slices.Clone(c.fields)
	c.put(key, value)
}

// put is Set for who has the only copy.
func (c *Carrier) put(key, value string) {
	i, ok := c.find(key)
	if ok {
		c.fields[i].value = value
		return
	}
	c.fields = slices.Insert(c.fields, i, field{key, value})
}

// Keys returns the keys, in order.
func (c *Carrier) Keys() []string {
	keys := make([]string, len(c.fields))
	for i, f := range c.fields {
		keys[i] = f.key
	}
	return keys
}

// IsZero tells whether there are none.
func (c Carrier) IsZero() bool { return len(c.fields) == 0 }

// MarshalJSON implements json.Marshaler.
func (c Carrier) MarshalJSON() ([]byte, error) {
	fields := make(map[string]string, len(c.fields))
	for _, f := range c.fields {
		fields[f.key] = f.value
	}
	return json.Marshal(fields)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Carrier) UnmarshalJSON(data []byte) error {
	var fields map[string]string
	err := json.Unmarshal(data, &fields)
	*c = CarrierOf(fields)
	return err
}
