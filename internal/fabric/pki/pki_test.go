package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func open(t *testing.T, dir string, at time.Time) *Organization {
	t.Helper()
	o, err := Open(dir, "Org1MSP", "org1.gx", Policy{Now: at, Life: 365 * day, RenewBefore: 60 * day})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func certificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	c, err := ReadCertificate(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIdentity(t *testing.T) {
	o := open(t, t.TempDir(), now)
	if issued, err := o.Ensure("admin", Client, []string{"10.0.0.1", "gx.example"}, map[string]string{"gxc_role": "gx_admin"}); !issued || err != nil {
		t.Fatalf("%v, %v", issued, err)
	}
	c := certificate(t, o.CertFile("admin"))
	roots := x509.NewCertPool()
	roots.AddCert(o.CA.Certificate)
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		t.Error(err)
	}
	if got := c.Subject.OrganizationalUnit; len(got) != 1 || got[0] != "client" {
		t.Errorf("units %q", got)
	}
	var value []byte
	for _, e := range c.Extensions {
		if e.Id.Equal(attributesOID) {
			value = e.Value
		}
	}
	if want := `{"attrs":{"gxc_role":"gx_admin"}}`; string(value) != want {
		t.Errorf("attributes %s, want %s", value, want)
	}
	if !c.NotAfter.Equal(now.Add(365*day)) || !c.NotBefore.Before(now) {
		t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
	}

	tls := certificate(t, filepath.Join(o.TLSDir("admin"), "cert.pem"))
	pool := x509.NewCertPool()
	pool.AddCert(o.TLSCA.Certificate)
	for _, name := range []string{"admin.org1.gx", "10.0.0.1", "gx.example"} {
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if _, err := tls.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: name, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := tls.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err == nil {
		t.Error("the authority of identities vouches for a TLS certificate")
	}
	for _, file := range []string{o.KeyFile("admin"), filepath.Join(o.TLSDir("admin"), "key.pem")} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestRenewalKeepsKeys(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, now)
	ensure := func(o *Organization, want bool) {
		t.Helper()
		if issued, err := o.Ensure("peer0", Peer, []string{"localhost"}, nil); issued != want || err != nil {
			t.Fatalf("issued: %v, %v, want %v", issued, err, want)
		}
	}
	ensure(first, true)
	ensure(first, false)
	key, err := os.ReadFile(first.KeyFile("peer0"))
	if err != nil {
		t.Fatal(err)
	}
	old := certificate(t, first.CertFile("peer0"))

	ensure(open(t, dir, now.Add(304*day)), false)
	later := open(t, dir, now.Add(306*day))
	ensure(later, true)
	renewed := certificate(t, later.CertFile("peer0"))
	if !renewed.PublicKey.(*ecdsa.PublicKey).Equal(old.PublicKey) || renewed.SerialNumber.Cmp(old.SerialNumber) == 0 {
		t.Error("the renewed certificate is not another of the same key")
	}
	if again, err := os.ReadFile(later.KeyFile("peer0")); err != nil || !bytes.Equal(again, key) {
		t.Errorf("the key changed: %v", err)
	}
	if !later.CA.Certificate.Equal(first.CA.Certificate) {
		t.Error("the authority changed")
	}
}

func TestExpiries(t *testing.T) {
	o := open(t, t.TempDir(), now)
	for _, name := range []string{"peer0", "admin"} {
		if _, err := o.Ensure(name, Peer, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	all, err := o.Expiries()
	if err != nil || len(all) != 2+2*2 {
		t.Fatalf("%v, %v", all, err)
	}
	at := make(map[string]time.Time)
	for _, e := range all {
		at[e.Name] = e.NotAfter
	}
	if got := at["peer0/tls/cert.pem"]; !got.Equal(now.Add(365 * day)) {
		t.Errorf("peer0's TLS certificate expires on %s: %v", got, at)
	}
	if err := o.Remove("peer0"); err != nil {
		t.Fatal(err)
	}
	if all, err = o.Expiries(); err != nil || len(all) != 2+2 {
		t.Errorf("after the removal: %v, %v", all, err)
	}
}

// What is damaged is said, never made anew: that would be another identity.
func TestDamagedFiles(t *testing.T) {
	for _, file := range []string{"ca/key.pem", "ca/cert.pem", "tlsca/key.pem"} {
		dir := t.TempDir()
		open(t, dir, now)
		if err := os.WriteFile(filepath.Join(dir, file), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, "Org1MSP", "org1.gx", Policy{Now: now}); err == nil {
			t.Errorf("%s: opened", file)
		}
	}
}
