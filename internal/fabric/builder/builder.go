// Package builder is Fabric's external builder for a chaincode as a service: a
// peer runs the three programs detect, build and release on an installed package
// to learn where its chaincode server is. All three are links to our binary.
//
// The package says the address only. The credentials with which the peer meets
// the server come from the peer's own machine when the environment variable
// TLSDir names a directory with cert.pem, key.pem and ca.pem: no key is ever in a
// package, and renewing certificates does not change the package.
package builder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
)

// TLSDir is the environment variable that the peer must pass on to the builder.
const TLSDir = "GX_CHAINCODE_TLS"

// Programs are the names that a peer calls.
var Programs = []string{"detect", "build", "release"}

// Connection is the connection.json of a package and of a release.
type Connection struct {
	Address            string `json:"address"`
	DialTimeout        string `json:"dial_timeout,omitzero"`
	TLSRequired        bool   `json:"tls_required"`
	ClientAuthRequired bool   `json:"client_auth_required,omitzero"`
	ClientKey          string `json:"client_key,omitzero"`
	ClientCert         string `json:"client_cert,omitzero"`
	RootCert           string `json:"root_cert,omitzero"`
}

// Metadata is the metadata.json of a package.
type Metadata struct {
	Type  string `json:"type"`
	Label string `json:"label"`
}

// Type is the package type that this builder takes.
const Type = "ccaas"

// Main runs the builder when the command line calls for it, with errors to
// stderr. Otherwise ok is false.
func Main(args []string, stderr io.Writer) (code int, ok bool) {
	var err error
	switch program := filepath.Base(args[0]); {
	case program == "detect" && len(args) == 3: // SOURCE METADATA
		err = detect(args[2])
	case program == "build" && len(args) == 4: // SOURCE METADATA OUTPUT
		err = copyConnection(args[1], args[3])
	case program == "release" && len(args) == 3: // OUTPUT RELEASE
		err = release(args[1], args[2])
	default:
		return 0, false
	}
	if err != nil {
		fmt.Fprintln(stderr, "gx:", err)
		return 1, true
	}
	return 0, true
}

func detect(metadataDir string) error {
	content, err := os.ReadFile(filepath.Join(metadataDir, "metadata.json"))
	if err != nil {
		return err
	}
	var m Metadata
	if err := json.Unmarshal(content, &m); err != nil {
		return err
	}
	if m.Type != Type {
		return fmt.Errorf("the package is of type %q, not %q", m.Type, Type)
	}
	return nil
}

func copyConnection(source, output string) error {
	content, err := os.ReadFile(filepath.Join(source, "connection.json"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(output, "connection.json"), content, 0o600)
}

func release(output, release string) error {
	content, err := os.ReadFile(filepath.Join(output, "connection.json"))
	if err != nil {
		return err
	}
	var c Connection
	if err := json.Unmarshal(content, &c); err != nil {
		return err
	}
	if dir := os.Getenv(TLSDir); dir != "" && c.TLSRequired {
		if err := c.readCredentials(dir); err != nil {
			return err
		}
	}
	content, err = json.Marshal(c)
	if err != nil {
		return err
	}
	dir := filepath.Join(release, "chaincode", "server")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "connection.json"), content, 0o600)
}

func (c *Connection) readCredentials(dir string) error {
	cert, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	key, keyErr := os.ReadFile(filepath.Join(dir, "key.pem"))
	root, rootErr := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err := errors.Join(err, keyErr, rootErr); err != nil {
		return err
	}
	c.ClientAuthRequired = true
	c.ClientCert, c.ClientKey, c.RootCert = string(cert), string(key), string(root)
	return nil
}
