package door

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestD33Matrix(t *testing.T) {
	// The number of permissions each role holds alone and together with a
	// second person, counted in the table of the specification.
	want := map[Role][2]int{
		SuperOwner: {28, 16}, SuperAdmin: {28, 12}, Admin: {19, 5}, Moderator: {8, 0}, Developer: {7, 0}, Auditor: {11, 0},
	}
	seen := map[string]bool{}
	got := map[Role][2]int{}
	for p := noPermission + 1; p < permissionCount; p++ {
		if p.String() == "" || p.Risk() == "" || seen[p.String()] {
			t.Errorf("permission %d is %q %q", p, p.String(), p.Risk())
		}
		seen[p.String()] = true
		for _, r := range Roles {
			n := got[r]
			if r.May(p) {
				n[0]++
			}
			if r.MayWithApproval(p) {
				n[1]++
			}
			if r.May(p) && r.MayWithApproval(p) {
				t.Errorf("%s both ways for %s", p, r)
			}
			got[r] = n
		}
	}
	for r, n := range want {
		if got[r] != n {
			t.Errorf("%s holds %v permissions, want %v", r, got[r], n)
		}
	}
	for _, r := range []Role{"", "OWNER", SuperOwner} {
		if r.May(noPermission) || r.MayWithApproval(noPermission) {
			t.Errorf("%q holds no permission at all", r)
		}
	}
	if Role("OWNER").May(SystemStatusRead) {
		t.Error("an unknown role may something")
	}
}

func TestLockFor(t *testing.T) {
	for failed, want := range map[int]time.Duration{5: 30 * time.Second, 6: time.Minute, 10: 16 * time.Minute, 11: 30 * time.Minute, 1000: 30 * time.Minute} {
		if got := lockFor(failed); got != want {
			t.Errorf("lockFor(%d) = %s, want %s", failed, got, want)
		}
	}
}

func TestPreferredWait(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "wait=5": 5, "respond-async, wait=3": 3, "Wait = \"2\"": 2, "wait=99": 10, "wait=-1": 0, "wait": 0, "wait=x": 0, "waiting=4": 0,
	} {
		if got := preferredWait(in); got != want {
			t.Errorf("preferredWait(%q) = %d, want %d", in, got, want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(formatCursor(time.Unix(1, 2000), uuid.New()))
	f.Fuzz(func(t *testing.T, s string) {
		at, id, err := parseCursor(s)
		if err != nil || at == nil {
			return
		}
		again, same, err := parseCursor(formatCursor(*at, id))
		if err != nil || !again.Equal(*at) || same != id {
			t.Errorf("%q: %v %v, then %v %v %v", s, at, id, again, same, err)
		}
	})
}
