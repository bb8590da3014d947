package main

import (
	"slices"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/platform/datadir"
)

func TestChildEnvironHoldsNoSecret(t *testing.T) {
	u := &up{dir: &datadir.Dir{Path: "/data"}, program: &program{environ: []string{
		"PATH=/bin", "GX_LOG_LEVEL=debug", "GX_DATABASE_URL=canary", "GX_TOKEN_KEY=canary", "GX_PEPPER_FILE=/elsewhere",
	}}}
	u.secrets.token, u.secrets.pepper, u.secrets.fields = "/data/secrets/token", "/data/secrets/pepper", "/data/secrets/fields"
	got := u.childEnviron()
	slices.Sort(got)
	want := []string{
		"GX_DATABASE_URL_FILE=/data/secrets/database-url", "GX_FIELD_KEYS_FILE=/data/secrets/fields", "GX_LOG_LEVEL=debug", "GX_PEPPER_FILE=/data/secrets/pepper",
		"GX_TOKEN_KEY_FILE=/data/secrets/token", "PATH=/bin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
}
