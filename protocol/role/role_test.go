package role

import "testing"

func TestParse(t *testing.T) {
	for _, r := range All {
		if got, err := Parse(string(r)); err != nil || got != r {
			t.Errorf("%s: %s, %v", r, got, err)
		}
	}
	for _, s := range []string{"", "gx_Admin", "GX_ADMIN", "gx_admin ", "gx_admin,gx_super_admin", "admin", "gx_"} {
		if got, err := Parse(s); err == nil || got != "" {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
}
