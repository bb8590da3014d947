package main

import (
	"strings"
	"testing"
)

func TestJoinIDs(t *testing.T) {
	const id = "CH 3F2 ABC123 0ABCD 1234" // its checksum is wrong, which the service says
	for _, tc := range []struct{ args, want string }{
		{"transfer|CH|3F2|ABC123|0ABCD|1234|5|GX", "transfer|" + id + "|5|GX"},
		{"transfer|" + id + "|5GX", "transfer|" + id + "|5GX"},
		{"org|propose|x|--stakeholder=CH|3F2|ABC123|0ABCD|1234|--stakeholder|CH|3F2|ABC123|0ABCD|1234", "org|propose|x|--stakeholder=" + id + "|--stakeholder|" + id},
		{"recovery|nominate|CH|3F2|ABC123|0ABCD|1234|CH|3F2|ABC123|0ABCD|1234", "recovery|nominate|" + id + "|" + id},
		{"transfer|CH|3F2|ABC123|0ABCD|123|5GX", "transfer|CH|3F2|ABC123|0ABCD|123|5GX"},
		{"CH|3F2|ABC123|0ABCD", "CH|3F2|ABC123|0ABCD"},
		{"", ""},
	} {
		if got := strings.Join(joinIDs(strings.Split(tc.args, "|")), "|"); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.args, got, tc.want)
		}
	}
}

func TestBrokenID(t *testing.T) {
	for args, want := range map[string]string{
		"transfer|CH|3F2|ABC123|0ABCD|5GX":    "CH 3F2 ABC123 0ABCD 5GX",
		"org|rule|--of=CH|3F2|ABC123":         "CH 3F2 ABC123",
		"user|register|--country=CH|--first=": "",
		"CH":                                  "", "": "",
	} {
		if got := brokenID(strings.Split(args, "|")); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}
