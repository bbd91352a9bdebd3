package logging_test

import (
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/postlude/postlude/logging"
)

func TestFormatIsAFlag(t *testing.T) {
	for _, want := range []logging.Format{logging.Auto, logging.JSON, logging.Console} {
		var got logging.Format
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.TextVar(&got, "log", logging.Auto, "")
		if err := fs.Parse([]string{"-log", want.String()}); err != nil || got != want {
			t.Errorf("-log %v: got %v, %v", want, got, err)
		}
	}
}

func TestFormatRefusesWhatItDoesNotKnow(t *testing.T) {
	var f logging.Format
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.TextVar(&f, "log", logging.Auto, "")
	if err := fs.Parse([]string{"-log", "xml"}); err == nil || !strings.Contains(err.Error(), "auto, json, console") {
		t.Errorf("the error does not tell what is allowed: %v", err)
	}
	if _, err := logging.Format(9).MarshalText(); err == nil {
		t.Error("an unknown format has a text")
	}
}
