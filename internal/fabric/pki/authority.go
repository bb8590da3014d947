// Package pki makes the X.509 material of a Fabric network: the authorities of
// an organization, the identities of its nodes and users as a Fabric CA would
// issue them, and their TLS certificates. Renewal keeps keys, so that nothing
// on the channel changes.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	authorityLife = 20 * 365 * 24 * time.Hour
	skew          = 10 * time.Minute // clocks of other machines may be behind
)

// attributesOID is the extension in which Fabric CA certifies attributes.
var attributesOID = asn1.ObjectIdentifier{1, 2, 3, 4, 5, 6, 7, 8, 1}

// Authority signs certificates.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// openAuthority loads the authority in dir, making it first when it is absent.
func openAuthority(dir, name, organization string, now time.Time) (*Authority, error) {
	key, err := openKey(filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	certFile := filepath.Join(dir, "cert.pem")
	cert, err := ReadCertificate(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: name, Organization: []string{organization}},
			NotBefore:             now.Add(-skew),
			NotAfter:              now.Add(authorityLife),
			IsCA:                  true,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		if cert, err = sign(template, template, &key.PublicKey, key); err == nil {
			err = write(certFile, 0o644, "CERTIFICATE", cert.Raw)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	return &Authority{cert, key}, nil
}

// Request describes a certificate.
type Request struct {
	CommonName string
	Unit       string            // client, admin, peer or orderer; empty for TLS
	Hosts      []string          // names and addresses of a TLS certificate
	Attributes map[string]string // certified as Fabric CA does; nil: none
	NotAfter   time.Time
}

// issue returns a certificate of the public key.
func (a *Authority) issue(r Request, key crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.CommonName},
		NotBefore: now.Add(-skew),
		NotAfter:  earlier(r.NotAfter, a.Certificate.NotAfter),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	if r.NotAfter.Before(template.NotBefore) { // an expired one, for a test of what then happens
		template.NotBefore = r.NotAfter.Add(-skew)
	}
	if r.Unit != "" {
		template.Subject.OrganizationalUnit = []string{r.Unit}
	}
	if len(r.Hosts) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	for _, h := range r.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	if r.Attributes != nil {
		value, err := json.Marshal(map[string]any{"attrs": r.Attributes}, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("attributes of %s: %w", r.CommonName, err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: attributesOID, Value: value}}
	}
	return sign(template, a.Certificate, key, a.key)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// openKey loads a private key, making it first when the file is absent.
func openKey(file string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, write(file, 0o600, "PRIVATE KEY", der)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, not an ECDSA key", file, parsed)
	}
	return key, nil
}

// ReadCertificate reads the first certificate of a PEM file.
func ReadCertificate(file string) (*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return cert, nil
}

// write replaces a file as a whole, so that no reader sees half of it.
func write(file string, mode fs.FileMode, kind string, der []byte) error {
	return writeFile(file, mode, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func writeFile(file string, mode fs.FileMode, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, content, mode); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
