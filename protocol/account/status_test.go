package account

import "testing"

var statuses = []Status{Active, Frozen, Suspended, Closed, Deceased}

func TestParseStatus(t *testing.T) {
	for _, s := range statuses {
		if got, ok := ParseStatus(string(s)); !ok || got != s {
			t.Errorf("%s: %s, %t", s, got, ok)
		}
	}
	if got, ok := ParseStatus("LOCKED"); !ok || got != Frozen {
		t.Errorf("LOCKED: %s, %t", got, ok)
	}
	for _, s := range []string{"", "Active", "VERIFIED", "ACTIVE "} {
		if _, ok := ParseStatus(s); ok {
			t.Errorf("%q is a status", s)
		}
	}
}

func TestCanBecome(t *testing.T) {
	allowed := map[[2]Status]bool{
		{Active, Frozen}: true, {Frozen, Active}: true, {Active, Suspended}: true, {Suspended, Active}: true,
		{Active, Closed}: true, {Frozen, Closed}: true, {Suspended, Closed}: true,
		{Active, Deceased}: true, {Frozen, Deceased}: true, {Suspended, Deceased}: true, {Closed, Deceased}: true,
	}
	for _, from := range statuses {
		for _, to := range statuses {
			if got := from.CanBecome(to); got != allowed[[2]Status{from, to}] {
				t.Errorf("%s to %s: %t", from, to, got)
			}
		}
		if from.CanBecome("") || from.CanBecome("LOCKED") {
			t.Errorf("%s to no status", from)
		}
	}
}
