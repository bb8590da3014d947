package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Units that Fabric tells identities apart by.
const (
	Client  = "client"
	Admin   = "admin"
	Peer    = "peer"
	Orderer = "orderer"
)

// Organization is a directory with the keys and certificates of one
// organization:
//
//	ca/, tlsca/                the authorities: cert.pem and key.pem
//	NAME/msp/                  the identity of a node or user, as Fabric reads it
//	NAME/tls/                  its TLS certificate: cert.pem, key.pem, ca.pem
type Organization struct {
	MSP        string // membership service provider id
	Domain     string // the suffix of common names
	CA, TLSCA  *Authority
	dir        string
	now        time.Time
	renewAfter time.Time
	notAfter   time.Time
}

// Policy says how long certificates live.
type Policy struct {
	Now         time.Time
	Life        time.Duration // of a certificate that is issued
	RenewBefore time.Duration // a certificate that expires sooner is issued again
}

// Open opens an organization's directory, making authorities that are absent.
func Open(dir, msp, domain string, p Policy) (*Organization, error) {
	o := &Organization{
		MSP: msp, Domain: domain, dir: dir,
		now: p.Now, renewAfter: p.Now.Add(p.RenewBefore), notAfter: p.Now.Add(p.Life),
	}
	var err error
	if o.CA, err = openAuthority(filepath.Join(dir, "ca"), "ca."+domain, domain, p.Now); err == nil {
		o.TLSCA, err = openAuthority(filepath.Join(dir, "tlsca"), "tlsca."+domain, domain, p.Now)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return o, nil
}

// Ensure issues the identity and TLS certificates of a node or user that are
// absent or due for renewal; keys stay. It reports whether it issued any.
func (o *Organization) Ensure(name, unit string, hosts []string, attributes map[string]string) (bool, error) {
	cn := name + "." + o.Domain
	hosts = append([]string{cn}, hosts...)
	msp, err := o.certificate(filepath.Join(o.dir, name, "msp", "signcerts"), filepath.Join(o.dir, name, "msp", "keystore"), o.CA,
		Request{CommonName: cn, Unit: unit, Attributes: attributes, NotAfter: o.notAfter})
	if err != nil {
		return false, fmt.Errorf("pki: identity %s: %w", cn, err)
	}
	tls, err := o.certificate(o.TLSDir(name), o.TLSDir(name), o.TLSCA, Request{CommonName: cn, Hosts: hosts, NotAfter: o.notAfter})
	if err != nil {
		return false, fmt.Errorf("pki: TLS of %s: %w", cn, err)
	}
	dir := o.MSPDir(name)
	return msp || tls, errors.Join(
		write(filepath.Join(dir, "cacerts", "ca.pem"), 0o644, "CERTIFICATE", o.CA.Certificate.Raw),
		write(filepath.Join(dir, "tlscacerts", "tlsca.pem"), 0o644, "CERTIFICATE", o.TLSCA.Certificate.Raw),
		write(filepath.Join(o.TLSDir(name), "ca.pem"), 0o644, "CERTIFICATE", o.TLSCA.Certificate.Raw),
		writeFile(filepath.Join(dir, "config.yaml"), 0o644, []byte(nodeOUs)),
	)
}

// nodeOUs tells Fabric to go by the organizational unit of a certificate.
var nodeOUs = func() string {
	var b strings.Builder
	b.WriteString("NodeOUs:\n  Enable: true\n")
	for _, unit := range []string{Client, Peer, Admin, Orderer} {
		fmt.Fprintf(&b, "  %s%sOUIdentifier:\n    Certificate: cacerts/ca.pem\n    OrganizationalUnitIdentifier: %s\n",
			strings.ToUpper(unit[:1]), unit[1:], unit)
	}
	return b.String()
}()

// certificate issues certDir/cert.pem for the key in keyDir when it is due.
func (o *Organization) certificate(certDir, keyDir string, by *Authority, r Request) (bool, error) {
	key, err := openKey(filepath.Join(keyDir, "key.pem"))
	if err != nil {
		return false, err
	}
	file := filepath.Join(certDir, "cert.pem")
	old, err := ReadCertificate(file)
	if err == nil && old.NotAfter.After(o.renewAfter) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	cert, err := by.issue(r, &key.PublicKey, o.now)
	if err != nil {
		return false, err
	}
	return true, write(file, 0o644, "CERTIFICATE", cert.Raw)
}

// MSPDir is the directory that Fabric calls the MSP of a node or user.
func (o *Organization) MSPDir(name string) string { return filepath.Join(o.dir, name, "msp") }

// TLSDir holds cert.pem, key.pem and ca.pem.
func (o *Organization) TLSDir(name string) string { return filepath.Join(o.dir, name, "tls") }

// CertFile and KeyFile are the identity of a node or user.
func (o *Organization) CertFile(name string) string {
	return filepath.Join(o.MSPDir(name), "signcerts", "cert.pem")
}

func (o *Organization) KeyFile(name string) string {
	return filepath.Join(o.MSPDir(name), "keystore", "key.pem")
}

// TLSCertificate returns the TLS certificate of a node.
func (o *Organization) TLSCertificate(name string) (*x509.Certificate, error) {
	return ReadCertificate(filepath.Join(o.TLSDir(name), "cert.pem"))
}

// Expiry is a certificate and its end.
type Expiry struct {
	Name     string    `json:"name"` // path below the organization's directory
	NotAfter time.Time `json:"notAfter"`
}

// Expiries lists every certificate of the organization.
func (o *Organization) Expiries() (out []Expiry, err error) {
	err = filepath.WalkDir(o.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cert.pem" {
			return err
		}
		cert, err := ReadCertificate(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(o.dir, path)
		out = append(out, Expiry{name, cert.NotAfter})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return out, nil
}

// Remove forgets a node or user.
func (o *Organization) Remove(name string) error { return os.RemoveAll(filepath.Join(o.dir, name)) }
