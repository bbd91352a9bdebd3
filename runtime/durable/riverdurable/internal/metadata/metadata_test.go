package metadata

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzMetadata: the short ways write and read what encoding/json does.
func FuzzMetadata(f *testing.F) {
	for _, envelope := range []string{`{"v":1,"id":"x","carrier":{"a":"b"}}`, `{"a":"\\\"<é"}`, `{}`, "", "\"", `\`, "\xff\x00"} {
		f.Add(envelope, []byte(`{"postlude_envelope": "`+envelope+`"}`))
	}
	f.Add("x", []byte(`{"postlude_envelope": "{\"v\":1}"}`))
	f.Add("x", []byte(`{"postlude_envelope": "{\"v\":1}", "postlude_state": "{}"}`))
	f.Add("x", []byte(`{"postlude_envelope": "a\\"}`))
	f.Fuzz(func(t *testing.T, envelope string, stored []byte) {
		want, err := json.Marshal(map[string]string{KeyEnvelope: envelope})
		got, err2 := Encode(json.RawMessage(envelope))
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("Encode: %s, %v\njson: %s, %v", got, err2, want, err)
		}
		short, ok := onlyEnvelope(stored)
		if !ok {
			return
		}
		var all map[string]string
		if err := json.Unmarshal(stored, &all); err != nil || all[KeyEnvelope] != string(short) || len(all) != 1 {
			t.Errorf("%s\nonlyEnvelope: %s\njson: %v, %v", stored, short, all, err)
		}
	})
}
