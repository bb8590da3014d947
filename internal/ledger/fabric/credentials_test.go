package fabric

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/fabric/pki"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/role"
)

// wallet makes a wallet whose identities are issued by an organization's own
// authority, but not as they should be.
func wallet(t *testing.T, dir, unit string, life time.Duration, attributes map[string]string) string {
	t.Helper()
	org, err := pki.Open(filepath.Join(dir, "org1"), "Org1MSP", "org1.gx", pki.Policy{Now: time.Now(), Life: life, RenewBefore: 2 * life})
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ReplaceAll(t.Name(), "/", "-")
	if _, err := org.Ensure(name, unit, nil, attributes); err != nil {
		t.Fatal(err)
	}
	w := t.TempDir()
	for _, r := range role.All {
		cert, key := connection.WalletFiles(w, connection.RoleName(r))
		if err := errors.Join(os.Symlink(org.CertFile(name), cert), os.Symlink(org.KeyFile(name), key)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestCredentials(t *testing.T) {
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	add := ledger.Proposal{Identity: role.Admin, Function: "add", Args: []string{"k"}}
	unavailable := func(t *testing.T, c connection.Config, proof string) {
		t.Helper()
		l, _ := open(t, c, Options{})
		_, err := l.Endorse(t.Context(), add)
		if !errors.Is(err, ledger.ErrUnavailable) || errors.As(err, new(*ledger.ContractError)) {
			t.Errorf("endorse: %v", err)
		}
		if err == nil || !strings.Contains(errors.Join(err, cause(err)).Error(), proof) {
			t.Errorf("the error does not say %q: %v", proof, err)
		}
		if _, err := l.Evaluate(t.Context(), add); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("evaluate: %v", err)
		}
	}

	t.Run("expired certificate", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, n.Options.Dir, pki.Client, -time.Hour, map[string]string{"gxc_role": "gx_admin"})
		unavailable(t, c, "expired")
	})
	t.Run("certificate of a node", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, n.Options.Dir, "nobody", time.Hour, nil)
		unavailable(t, c, "")
	})
	t.Run("another authority's certificate", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, t.TempDir(), pki.Client, time.Hour, nil)
		unavailable(t, c, "")
	})
	t.Run("certificate without role", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, n.Options.Dir, pki.Client, time.Hour, nil)
		l, _ := open(t, c, Options{})
		got, err := l.Evaluate(t.Context(), ledger.Proposal{Identity: role.SuperAdmin, Function: "role"})
		if err != nil || len(got) != 0 {
			t.Errorf("the contract sees role %q, %v", got, err)
		}
	})
	t.Run("another role", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, n.Options.Dir, pki.Client, time.Hour, map[string]string{"gxc_role": "gx_partner_api"})
		l, _ := open(t, c, Options{})
		got, err := l.Evaluate(t.Context(), ledger.Proposal{Identity: role.SuperAdmin, Function: "role"})
		if err != nil || string(got) != "gx_partner_api" {
			t.Errorf("the contract sees role %q, %v", got, err)
		}
	})
	t.Run("wrong TLS name", func(t *testing.T) {
		c := n.Client()
		profile, err := os.ReadFile(c.Profile)
		if err != nil {
			t.Fatal(err)
		}
		wrong := strings.ReplaceAll(string(profile), `"url":`, `"grpcOptions": {"ssl-target-name-override": "elsewhere.example"}, "url":`)
		c.Profile = filepath.Join(t.TempDir(), "connection.json")
		wrong = strings.ReplaceAll(wrong, `"path": "`, `"path": "`+n.Options.Dir+"/")
		if err := os.WriteFile(c.Profile, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		unavailable(t, c, "not elsewhere.example")
	})
	t.Run("renewed certificate", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, n.Options.Dir, pki.Client, -time.Hour, map[string]string{"gxc_role": "gx_admin"})
		l, _ := open(t, c, Options{})
		if _, err := l.Endorse(t.Context(), add); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("with the expired one: %v", err)
		}
		org, err := pki.Open(filepath.Join(n.Options.Dir, "org1"), "Org1MSP", "org1.gx", pki.Policy{Now: time.Now(), Life: time.Hour, RenewBefore: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if renewed, err := org.Ensure(strings.ReplaceAll(t.Name(), "/", "-"), pki.Client, nil, map[string]string{"gxc_role": "gx_admin"}); !renewed || err != nil {
			t.Fatalf("renewed: %v, %v", renewed, err)
		}
		l.identities.refresh()
		if _, err := l.Endorse(t.Context(), add); err != nil {
			t.Errorf("with the renewed one: %v", err)
		}
	})
}

// cause is what is behind a failure.
func cause(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f.cause
	}
	return nil
}
