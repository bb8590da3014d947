package main

import (
	"errors"
	"strings"

	"gxcoin.money/gx/protocol/gxid"
)

// groups of a GX id, which spaces part.
const groups = 5

// joinIDs makes one argument of the groups of each GX id that was given as it is
// printed, without quotes. The first group may belong to a flag, as in --of=CH.
func joinIDs(args []string) []string {
	joined := make([]string, 0, len(args))
	for len(args) > 0 {
		n := 1
		if len(args) >= groups {
			if _, err := gxid.Parse(valueOf(strings.Join(args[:groups], " "))); !errors.Is(err, gxid.ErrSyntax) {
				n = groups
			}
		}
		joined = append(joined, strings.Join(args[:n], " "))
		args = args[n:]
	}
	return joined
}

// valueOf returns what an argument says, without the flag that it may begin with.
func valueOf(arg string) string {
	if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
		return value
	}
	return arg
}

// brokenID returns the arguments that look like the begin of a GX id that joinIDs
// could not make one of, "" when there are none.
func brokenID(args []string) string {
	const capitals, hex = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789ABCDEF"
	for i := range len(args) - 1 {
		country, sum := valueOf(args[i]), args[i+1]
		if len(country) == 2 && strings.Trim(country, capitals) == "" && len(sum) == 3 && strings.Trim(sum, hex) == "" {
			return strings.Join(append([]string{country}, args[i+1:min(i+groups, len(args))]...), " ")
		}
	}
	return ""
}
