// Package report keeps what tests have measured: in the log of the test and,
// with GX_CHAOS_REPORT, in a file in Markdown.
package report

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Line reports a sentence.
func Line(t testing.TB, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	add(t, "- "+t.Name()+": "+line+"\n")
}

// Table reports lines that are read together.
func Table(t testing.TB, text string) {
	t.Helper()
	t.Log("\n" + text)
	add(t, "\n"+t.Name()+":\n\n```\n"+strings.TrimSuffix(text, "\n")+"\n```\n\n")
}

func add(t testing.TB, text string) {
	t.Helper()
	name := os.Getenv("GX_CHAOS_REPORT")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
