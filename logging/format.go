package logging

import "fmt"

// formats are the texts of the formats, for flags and configuration files.
var formats = [...]string{Auto: "auto", JSON: "json", Console: "console"}

// String returns "auto", "json" or "console".
func (f Format) String() string {
	if f < 0 || int(f) >= len(formats) {
		return fmt.Sprintf("Format(%d)", int(f))
	}
	return formats[f]
}

// MarshalText returns the text of f.
func (f Format) MarshalText() ([]byte, error) {
	if f < 0 || int(f) >= len(formats) {
		return nil, fmt.Errorf("logging: there is no %v", f)
	}
	return []byte(f.String()), nil
}

// UnmarshalText makes a Format a flag: flag.TextVar(&format, "log", logging.Auto, usage).
func (f *Format) UnmarshalText(text []byte) error {
	for i, name := range formats {
		if string(text) == name {
			*f = Format(i)
			return nil
		}
	}
	return fmt.Errorf("logging: format %q is not one of auto, json, console", text)
}
