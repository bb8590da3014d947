package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"gxcoin.money/gx/protocol/qirat"
)

// printer tells the story to a person. Its first error silences it.
type printer struct {
	w    io.Writer // nil: tells nobody
	step int
	err  error
}

func (p *printer) printf(format string, args ...any) {
	if p.w == nil || p.err != nil {
		return
	}
	_, p.err = fmt.Fprintf(p.w, format, args...)
}

// chapter begins the next part of the story.
func (p *printer) chapter(format string, args ...any) {
	p.step++
	p.printf("\n%d. %s\n\n", p.step, fmt.Sprintf(format, args...))
}

// table prints rows in columns; a heading with a leading ">" has its column
// flush right.
func (p *printer) table(headings []string, rows [][]string) {
	right := make([]bool, len(headings))
	all := [][]string{make([]string, len(headings))}
	for i, h := range headings {
		all[0][i], right[i] = strings.CutPrefix(h, ">")
	}
	all = append(all, rows...)
	width := make([]int, len(headings))
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range all {
		if n == 0 && strings.Join(row, "") == "" {
			continue
		}
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				cell = space + cell
			} else {
				cell += space
			}
			line.WriteString("   " + cell)
		}
		p.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// gx writes an amount for people: 1,250,000.5 GX.
func gx(a qirat.Amount) string {
	whole, fraction, _ := strings.Cut(a.GX(), ".")
	if fraction != "" {
		fraction = "." + fraction
	}
	return group(whole) + fraction + " GX"
}

// group puts a comma between thousands.
func group(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func milliseconds(d time.Duration) string {
	ms := float64(d.Microseconds()) / 1000
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
