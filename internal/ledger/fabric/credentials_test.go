package fabric

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract/chaincode"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/fabric/pki"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/role"
)

// issue puts an identity for a role into a wallet; what it carries may be another
// role, or none. It reports whether the certificate is new.
func issue(t *testing.T, org *pki.Organization, wallet, unit string, r role.Role, carries string) bool {
	t.Helper()
	name := strings.ReplaceAll(t.Name(), "/", "-") + "-" + connection.RoleName(r)
	var attributes map[string]string
	if carries != "" {
		attributes = map[string]string{"gxc_role": carries}
	}
	issued, err := org.Ensure(name, unit, nil, attributes)
	cert, key := connection.WalletFiles(wallet, connection.RoleName(r))
	if err = errors.Join(err, os.MkdirAll(wallet, 0o700)); err == nil && !exists(cert) {
		err = errors.Join(os.Symlink(org.CertFile(name), cert), os.Symlink(org.KeyFile(name), key))
	}
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// authority is that of the first organization in a network's directory; it issues
// again what does not live for long.
func authority(t *testing.T, dir string, life time.Duration) *pki.Organization {
	t.Helper()
	org, err := pki.Open(filepath.Join(dir, "org1"), "Org1MSP", "org1.gx", pki.Policy{Now: time.Now(), Life: life, RenewBefore: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return org
}

// wallet makes a wallet with an identity for each role.
func wallet(t *testing.T, org *pki.Organization, unit string) string {
	t.Helper()
	w := t.TempDir()
	for _, r := range role.All {
		issue(t, org, w, unit, r, string(r))
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
		c.Wallet = wallet(t, authority(t, n.Options.Dir, -time.Hour), pki.Client)
		unavailable(t, c, "expired")
	})
	t.Run("certificate of nobody that the network knows", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, authority(t, n.Options.Dir, time.Hour), "nobody")
		unavailable(t, c, "")
	})
	t.Run("another authority's certificate", func(t *testing.T) {
		c := n.Client()
		c.Wallet = wallet(t, authority(t, t.TempDir(), time.Hour), pki.Client)
		unavailable(t, c, "")
	})
	for name, carries := range map[string]string{"no role": "", "wrong role": string(role.PartnerAPI)} {
		t.Run(name, func(t *testing.T) {
			c := n.Client()
			c.Wallet = t.TempDir()
			org := authority(t, n.Options.Dir, time.Hour)
			issue(t, org, c.Wallet, pki.Client, role.SuperAdmin, string(role.SuperAdmin))
			issue(t, org, c.Wallet, pki.Client, role.Admin, carries)
			issue(t, org, c.Wallet, pki.Client, role.PartnerAPI, string(role.PartnerAPI))
			_, err := New(c, Options{})
			if want := fmt.Sprintf("carries the role %q, not %q", carries, role.Admin); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
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
		c.Wallet = wallet(t, authority(t, n.Options.Dir, -time.Hour), pki.Client)
		l, _ := open(t, c, Options{})
		if _, err := l.Endorse(t.Context(), add); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("with the expired one: %v", err)
		}
		began := time.Now()
		org := authority(t, n.Options.Dir, time.Hour)
		if !issue(t, org, c.Wallet, pki.Client, role.Admin, string(role.Admin)) {
			t.Fatal("it was not renewed")
		}
		l.identities.refresh()
		if _, err := l.Endorse(t.Context(), add); err != nil {
			t.Errorf("with the renewed one: %v", err)
		}
		t.Logf("endorses again %s after the renewal, which is noticed within %s", time.Since(began).Round(time.Millisecond), watchWallet)

		// One that carries another role is not taken into use.
		if err := org.Remove(strings.ReplaceAll(t.Name(), "/", "-") + "-admin"); err != nil {
			t.Fatal(err)
		}
		issue(t, org, c.Wallet, pki.Client, role.Admin, string(role.SuperAdmin))
		l.identities.refresh()
		id, err := l.identities.of(role.Admin)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := chaincode.RoleOf(id.Certificate); err != nil || got != role.Admin {
			t.Errorf("the identity in use carries role %q, %v", got, err)
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
