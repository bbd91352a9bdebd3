package page

import "net/http"

func anybody(*http.Request) (string, error) { return "ada", nil }
