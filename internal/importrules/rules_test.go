package importrules

// module is the prefix of every import path in this repository; riverdurable and the
// other nested modules share it.
const module = "github.com/postlude/postlude"

// layer says which packages of this repository a package may import. Paths are
// relative to the module; "x/..." is x and everything under it.
type layer struct {
	pkgs string
	may  []string
	why  string
}

// layers is read from the top: the first row that matches a package is its rule.
var layers = []layer{
	{
		pkgs: "runtime/taskconv",
		why:  "every layer imports the names of the telemetry, so they can't import any",
	},
	{
		pkgs: "internal/...",
		may:  []string{"internal/...", "runtime/taskconv"},
		why:  "internal is the ground that the public packages stand on",
	},
	{
		pkgs: "runtime/durable/durabletest",
		may: []string{
			"internal/...", "runtime/taskconv", "otelx", "runtime/durable", "runtime", "runtime/postludetest",
		},
		why: "a conformance kit may use the test kit, but no particular engine",
	},
	{
		pkgs: "runtime/durable/riverdurable/...",
		may:  []string{"internal/...", "runtime/taskconv", "runtime/durable", "runtime/durable/riverdurable/..."},
		why:  "an engine maps outcomes for the driver interface; the runtime calls it, not the reverse",
	},
	{
		pkgs: "runtime/durable",
		may:  []string{"internal/...", "runtime/taskconv"},
		why:  "the driver interface is below the runtime and knows no engine",
	},
	{
		pkgs: "runtime/postludetest",
		may: []string{
			"internal/...", "runtime/taskconv", "runtime/durable", "otelx", "runtime", "logging",
		},
		why: "the test kit is above the runtime; otelsetup's exporters are not for unit tests",
	},
	{
		pkgs: "runtime/notify/sentrynotify/...",
		may:  []string{"internal/...", "runtime/taskconv", "runtime"},
		why:  "a notifier is above the runtime, which knows none",
	},
	{
		pkgs: "runtime/notify",
		may:  []string{"internal/...", "runtime/taskconv", "runtime"},
		why:  "a notifier is above the runtime, which knows none, and nothing heavy is in this one",
	},
	{
		// runtime itself and runtime/internal. The rows above have taken the rest.
		pkgs: "runtime/...",
		may:  []string{"internal/...", "runtime/taskconv", "runtime/durable", "otelx", "runtime/internal/..."},
		why:  "the runtime is above its parts, and below its test kit, its page and its engines",
	},
	{
		pkgs: "otelx/otelsetup",
		may:  []string{"internal/...", "runtime/taskconv", "otelx"},
		why:  "otelx knows nothing of scheduling",
	},
	{
		pkgs: "otelx/...",
		may:  []string{"internal/...", "runtime/taskconv", "otelx/internal/..."},
		why:  "otelx knows nothing of scheduling, and the heavy exporters stay in otelsetup",
	},
	{
		pkgs: "logging/...",
		may:  []string{"internal/...", "runtime/taskconv", "logging/..."},
		why:  "logging and the runtime meet in *slog.Logger only",
	},
	{
		pkgs: "dashboards/...",
		may:  []string{"internal/...", "runtime/taskconv", "runtime/durable", "runtime", "dashboards/..."},
		why:  "dashboards look at the runtime from above",
	},
	{pkgs: "examples/...", may: []string{"..."}},
	{pkgs: "benchmarks/...", may: []string{"..."}},
	{pkgs: "e2e/...", may: []string{"..."}},
}

// core is the package whose users pay for everything that it needs, at any distance.
const core = module + "/runtime"

// coreMay is what the core may need besides the standard library and this module,
// less coreMayNot.
var coreMay = []string{
	"go.opentelemetry.io/otel/...", // API and SDK
	"go.opentelemetry.io/auto/sdk/...",
	"github.com/go-logr/logr/...",
	"github.com/go-logr/stdr/...",
	"github.com/cespare/xxhash/v2/...",
	"github.com/google/uuid/...",
	"golang.org/x/sys/...",
}

var coreMayNot = []string{
	"go.opentelemetry.io/otel/exporters/...",
	"go.opentelemetry.io/otel/sdk/log/...",
	"go.opentelemetry.io/otel/sdk/trace/tracetest",
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest",
	"testing/...",
	"net/http/httptest",
}

const coreWhy = "the core is light: exporters, databases and test libraries are for those who ask for them"

// testLibraries are imported by packages that end in "test", by benchmarks and by e2e.
var testLibraries = []string{
	"testing/...",
	"net/http/httptest",
	"go.uber.org/goleak/...",
	"go.opentelemetry.io/otel/sdk/trace/tracetest",
}

const testLibrariesWhy = "test libraries stay out of production imports"
