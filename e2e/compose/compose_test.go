package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// root is the repository.
const root = "../.."

// load reads docker-compose.yml as docker compose does, with nothing from the environment.
func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithWorkingDirectory(root))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestServices: those that the stack is made of, each with what a service has to have.
func TestServices(t *testing.T) {
	project := load(t)
	want := []string{"checkout", "collector", "grafana", "jaeger", "loki", "postgres", "prometheus"}
	if got := project.ServiceNames(); !slices.Equal(got, want) {
		t.Errorf("the services are %q, not %q", got, want)
	}
	for _, s := range project.Services {
		t.Run(s.Name, func(t *testing.T) {
			if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Disable {
				t.Error("it has no health check")
			}
			if s.Restart == "" {
				t.Error("it does not restart")
			}
			for _, p := range s.Ports {
				if p.HostIP != "127.0.0.1" {
					t.Errorf("port %d is published on %q, not on loopback only", p.Target, p.HostIP)
				}
			}
			if s.Build == nil {
				checkPinned(t, s.Image)
				return
			}
			checkBuild(t, s)
		})
	}
}

// pinned is an image with a version of at least two numbers: 17 is another tomorrow.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$`)

func checkPinned(t *testing.T, image string) {
	t.Helper()
	if !pinned.MatchString(image) {
		t.Errorf("the image %q is not pinned to a version", image)
	}
}

var from = regexp.MustCompile(`(?m)^FROM +(\S+)|--from=(\S+)|^COPY +(\S+) +\S+$`)

// checkBuild looks at the images that a Dockerfile builds on.
func checkBuild(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	dockerfile := s.Build.Dockerfile
	if !filepath.IsAbs(dockerfile) {
		dockerfile = filepath.Join(s.Build.Context, dockerfile)
	}
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	bases := from.FindAllStringSubmatch(string(text), -1)
	if len(bases) < 3 {
		t.Errorf("found %q only", bases)
	}
	stages := regexp.MustCompile(`(?m)^FROM +\S+ +AS +(\S+)`).FindAllStringSubmatch(string(text), -1)
	for _, b := range bases {
		switch {
		case b[1] != "":
			checkPinned(t, b[1])
		case b[2] != "" && !slices.ContainsFunc(stages, func(s []string) bool { return s[1] == b[2] }):
			t.Errorf("there is no stage %q", b[2])
		case b[3] != "":
			if _, err := os.Stat(filepath.Join(s.Build.Context, b[3])); err != nil {
				t.Error(err)
			}
		}
	}
	if !strings.Contains(string(text), "\nUSER ") {
		t.Error("the container runs as root")
	}
}

// TestVolumes: what is mounted from the repository exists and is not written to, what is
// named is declared, and what is declared is used.
func TestVolumes(t *testing.T) {
	project := load(t)
	used := map[string]bool{}
	for _, s := range project.Services {
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s: %v", s.Name, err)
				}
				if !v.ReadOnly {
					t.Errorf("%s may write to %s", s.Name, v.Source)
				}
			case types.VolumeTypeVolume:
				used[v.Source] = true
				if _, ok := project.Volumes[v.Source]; !ok {
					t.Errorf("%s: the volume %q is not declared", s.Name, v.Source)
				}
			default:
				t.Errorf("%s mounts a %s", s.Name, v.Type)
			}
		}
	}
	for name := range project.Volumes {
		if !used[name] {
			t.Errorf("nobody uses the volume %q", name)
		}
	}
}

// TestOrder: a service waits for another's health only where that is worth a start that fails
// without it, and never in a circle.
func TestOrder(t *testing.T) {
	project := load(t)
	for _, s := range project.Services {
		for name, d := range s.DependsOn {
			other, err := project.GetService(name)
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			switch d.Condition {
			case types.ServiceConditionStarted:
			case types.ServiceConditionHealthy:
				if other.HealthCheck == nil {
					t.Errorf("%s waits for the health of %s, which has no check", s.Name, name)
				}
			default:
				t.Errorf("%s waits for %s to be %s", s.Name, name, d.Condition)
			}
		}
	}
	checkout, err := project.GetService("checkout")
	if err != nil || checkout.DependsOn["postgres"].Condition != types.ServiceConditionHealthy {
		t.Errorf("the shop does not wait for its database: %+v, %v", checkout.DependsOn, err)
	}
}

// TestEnvironmentIsOptional: docker compose up is the one command.
func TestEnvironmentIsOptional(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`[^$]\$\{(\w+)([^}]*)\}`).FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(m[2], ":-") || m[2] == ":-" {
			t.Errorf("%s has no default", m[1])
		}
	}
}
