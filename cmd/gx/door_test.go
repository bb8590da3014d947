package main

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/platform/ops"
	"gxcoin.money/gx/internal/platform/supervise"
	"gxcoin.money/gx/internal/service"
)

// A child deals with those who use it as its parent was told to.
func TestDoorSettings(t *testing.T) {
	secrets := []string{"--database-url=postgres://x", "--token-key=x", "--pepper=Jx3pR0vQm8ZtYk1LwUe5Hn7sBf2Gd9Ca", "--field-keys=x"}
	parse := func(args ...string) (c cli, err error) {
		parser, err := (&program{}).parser(&c)
		if err == nil {
			_, err = parser.Parse(args)
		}
		return c, err
	}
	for name, args := range map[string][]string{
		"defaults": nil,
		"given": {"--allowed-origins=https://a.example,http://localhost:5173", "--trusted-proxies=10.0.0.0/8", "--unlimited-clients=192.0.2.7,2001:db8::/32",
			"--rate-limits=login=5/1m,20/1h;public=off", "--critical-quorum=2", "--staff-mfa"},
	} {
		t.Run(name, func(t *testing.T) {
			protected := func(o doorSettings) (d service.Deps) {
				s := &process{log: slog.New(slog.DiscardHandler), ops: ops.New(ops.Options{Process: "test"}), group: supervise.New(slog.New(slog.DiscardHandler), stopTimeout)}
				if err := s.protect(&d, o); err != nil {
					t.Fatal(err)
				}
				return d
			}
			above, err1 := parse(append([]string{"up"}, args...)...)
			up := above.Up
			up.staffMFA = up.StaffMFA
			below, err2 := parse(append(append([]string{"serve", "admin"}, up.doorSettings.arguments()...), secrets...)...)
			child := below.Serve
			child.staffMFA = child.StaffMFA
			alone, err3 := parse(append([]string{"serve", "admin"}, secrets...)...)
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			parent, heir := protected(up.doorSettings), protected(child.doorSettings)
			if diff := cmp.Diff(parent.Limits, heir.Limits); diff != "" || parent.RequireMFA != heir.RequireMFA || parent.CriticalQuorum != heir.CriticalQuorum {
				t.Errorf("%+v, %+v, %s", parent, heir, diff)
			}
			if !cmp.Equal(up.AllowedOrigins, child.AllowedOrigins) || !cmp.Equal(up.TrustedProxies, child.TrustedProxies) || !cmp.Equal(up.UnlimitedClients, child.UnlimitedClients) {
				t.Errorf("%+v and %+v", up.doorSettings, child.doorSettings)
			}
			if name == "given" && (len(parent.Limits["public"]) != 0 || len(parent.Limits["login"]) != 2 || len(parent.Origins) != 2 || len(parent.Proxies) != 1 || !parent.RequireMFA) {
				t.Errorf("%+v", parent)
			}
			if !alone.Serve.StaffMFA {
				t.Error("a service in production does not demand a second factor")
			}
		})
	}
	for _, bad := range []string{"--allowed-origins=*", "--trusted-proxies=x", "--unlimited-clients=1.2.3", "--rate-limits=login=x", "--rate-limits=nothing=1/1m"} {
		if _, err := parse("up", bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
