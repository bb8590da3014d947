package connection

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperledger/fabric-gateway/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/protocol/role"
)

// Identity is a certificate of an organization and the key to it.
type Identity struct {
	*identity.X509Identity
	Certificate *x509.Certificate
	Creator     []byte // as transactions and requests name it
	sign        identity.Sign
}

// ReadIdentity loads an identity from PEM files.
func ReadIdentity(mspID, certFile, keyFile string) (*Identity, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	cert, err := identity.CertificateFromPEM(certPEM)
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", certFile, err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	key, err := identity.PrivateKeyFromPEM(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", keyFile, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || !ec.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("identity %s: %s is not its ECDSA key", certFile, keyFile)
	}
	id := &Identity{Certificate: cert}
	if id.X509Identity, err = identity.NewX509Identity(mspID, cert); err != nil {
		return nil, fmt.Errorf("identity %s: %w", certFile, err)
	}
	if id.sign, err = identity.NewPrivateKeySign(ec); err != nil {
		return nil, fmt.Errorf("identity %s: %w", certFile, err)
	}
	id.Creator, err = proto.Marshal(&msp.SerializedIdentity{
		Mspid: mspID, IdBytes: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
	})
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", certFile, err)
	}
	return id, nil
}

// SignDigest signs a SHA-256 digest.
func (id *Identity) SignDigest(digest []byte) ([]byte, error) { return id.sign(digest) }

// Sign signs a message.
func (id *Identity) Sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	return id.sign(digest[:])
}

// WalletFiles returns where a wallet keeps an identity.
func WalletFiles(wallet, name string) (cert, key string) {
	return filepath.Join(wallet, name+"-cert.pem"), filepath.Join(wallet, name+"-key.pem")
}

// RoleName names the identity of a ledger role in a wallet.
func RoleName(r role.Role) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(r), "gx_"), "_", "-")
}
