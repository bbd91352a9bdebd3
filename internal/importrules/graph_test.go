package importrules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// node is a package as go list describes it, without its tests.
type node struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

type graph map[string]node

// list loads the packages of the whole workspace and all that they need. Packages
// that don't compile are listed, too: their imports still count.
func list(t *testing.T) graph {
	t.Helper()
	watchTree(t)
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Imports,Standard", "work")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	g := graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var n node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatal(err)
		}
		g[n.ImportPath] = n
	}
}

// watchTree reads every folder, because go test keeps a passing result until
// something changes that the test itself has opened: it doesn't see what go list reads.
func watchTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ours returns the packages of this repository, sorted, for stable messages.
func (g graph) ours() []node {
	var nodes []node
	for path, n := range g {
		if _, ok := relative(path); ok {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return nodes
}

// chains are the shortest ways of imports from one package to each that it needs. They
// end at the standard library, whose insides (vendored packages, cgo) nobody pays for
// extra.
func (g graph) chains(from string) map[string][]string {
	chains := map[string][]string{from: {from}}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if g[queue[0]].Standard {
			continue
		}
		for _, to := range g[queue[0]].Imports {
			if chains[to] == nil {
				chains[to] = append(slices.Clone(chains[queue[0]]), to)
				queue = append(queue, to)
			}
		}
	}
	return chains
}

// relative is the path inside this repository; false: it is somebody else's.
func relative(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// matches tells whether one of the patterns names path.
func matches(path string, patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, tree := strings.CutSuffix(p, "...")
		base = strings.TrimSuffix(base, "/")
		return path == base || tree && (base == "" || strings.HasPrefix(path, base+"/"))
	})
}

// violation is one import too many.
func violation(from, to, rule, why string) string {
	return fmt.Sprintf("%s imports %s\n\trule: %s\n\twhy:  %s", from, to, rule, why)
}
