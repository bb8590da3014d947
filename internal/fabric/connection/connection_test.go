package connection

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/internal/fabric/pki"
	"gxcoin.money/gx/protocol/role"
)

func organization(t *testing.T, dir string) *pki.Organization {
	t.Helper()
	o, err := pki.Open(dir, "Org1MSP", "org1.gx", pki.Policy{Now: time.Now(), Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"admin", "other"} {
		if _, err := o.Ensure(name, pki.Client, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func profile(t *testing.T, dir, content string) string {
	t.Helper()
	file := filepath.Join(dir, "profile")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestProfile(t *testing.T) {
	dir := t.TempDir()
	organization(t, dir)
	pem, err := os.ReadFile(filepath.Join(dir, "tlsca", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	peers, err := ReadPeers(profile(t, dir, `
name: consortium
version: 1.0.0
client: {organization: Org2}
organizations:
  Org1: {mspid: Org1MSP, peers: [peer1.org1, peer0.org1], certificateAuthorities: [ca]}
  Org2: {mspid: Org2MSP, peers: [peer0.org2]}
peers:
  peer0.org1: {url: "grpcs://10.1.0.1:7051", tlsCACerts: {path: tlsca/cert.pem}}
  peer1.org1: {url: "grpcs://10.1.0.2:7051", tlsCACerts: {path: "`+filepath.Join(dir, "tlsca", "cert.pem")+`"}}
  peer0.org2:
    url: grpcs://peer0.org2.example:7051
    tlsCACerts:
      pem: |
        `+strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n        ")+`
    grpcOptions: {hostnameOverride: peer0}
`), "Org2MSP")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range peers {
		got = append(got, strings.Join([]string{p.Name, p.MSP, p.Address, p.ServerName}, " "))
		if p.Roots == nil {
			t.Errorf("%s has no authority", p.Name)
		}
	}
	want := "peer0.org2 Org2MSP peer0.org2.example:7051 peer0|peer0.org1 Org1MSP 10.1.0.1:7051 |peer1.org1 Org1MSP 10.1.0.2:7051 "
	if strings.Join(got, "|") != want {
		t.Errorf("the peers are %q", got)
	}
}

func TestBadProfiles(t *testing.T) {
	dir := t.TempDir()
	organization(t, dir)
	const good = `{"organizations":{"Org1":{"mspid":"Org1MSP","peers":["p"]}},"peers":{"p":{"url":"grpcs://h:1","tlsCACerts":{"path":"tlsca/cert.pem"}}}}`
	if _, err := ReadPeers(profile(t, dir, good), "Org1MSP"); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"not YAML":            "{",
		"a peer is missing":   strings.Replace(good, `"peers":{"p"`, `"peers":{"q"`, 1),
		"no TLS":              strings.Replace(good, "grpcs", "grpc", 1),
		"no port":             strings.Replace(good, ":1\"", "\"", 1),
		"no authority":        strings.Replace(good, "tlsca/cert.pem", "absent.pem", 1),
		"a key for authority": strings.Replace(good, "tlsca/cert.pem", "tlsca/key.pem", 1),
		"another's only":      strings.Replace(good, "Org1MSP", "Org2MSP", 1),
		"empty":               "",
	} {
		if _, err := ReadPeers(profile(t, dir, content), "Org1MSP"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestIdentity(t *testing.T) {
	o := organization(t, t.TempDir())
	id, err := ReadIdentity("Org1MSP", o.CertFile("admin"), o.KeyFile("admin"))
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("message")
	signature, err := id.Sign(message)
	digest := sha256.Sum256(message)
	if err != nil || !ecdsa.VerifyASN1(id.Certificate.PublicKey.(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("the signature does not verify: %v", err)
	}
	if _, err := ReadIdentity("Org1MSP", o.CertFile("admin"), o.KeyFile("other")); err == nil {
		t.Error("another's key was accepted")
	}
	if _, err := ReadIdentity("Org1MSP", o.KeyFile("admin"), o.KeyFile("admin")); err == nil {
		t.Error("a key was accepted as a certificate")
	}
}

func TestRoleNames(t *testing.T) {
	for r, want := range map[role.Role]string{role.SuperAdmin: "super-admin", role.Admin: "admin", role.PartnerAPI: "partner-api"} {
		if got := RoleName(r); got != want {
			t.Errorf("%s: %s, want %s", r, got, want)
		}
	}
}
