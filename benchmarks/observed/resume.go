package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// A run may be made in parts: what is measured is kept in a file, and the next run goes on
// from there.

// kept is a measurement in that file.
type kept struct {
	Spec   spec
	Rounds []values
}

// resumed reads the results of earlier runs; none if there is no such file.
func resumed(path string) (results, error) {
	out := results{}
	text, err := os.ReadFile(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	var all []kept
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for _, k := range all {
		// One that failed at last is tried again.
		for len(k.Rounds) > 0 && k.Rounds[len(k.Rounds)-1] == nil {
			k.Rounds = k.Rounds[:len(k.Rounds)-1]
		}
		out[k.Spec] = k.Rounds
	}
	return out, nil
}

// keep writes the results.
func (r results) keep(path string) error {
	if path == "" {
		return nil
	}
	var all []kept
	for s, rounds := range r {
		all = append(all, kept{s, rounds})
	}
	slices.SortFunc(all, func(a, b kept) int { return strings.Compare(a.Spec.String(), b.Spec.String()) })
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
