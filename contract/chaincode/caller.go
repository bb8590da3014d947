package chaincode

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/hyperledger/fabric-chaincode-go/v2/pkg/attrmgr"
	"github.com/hyperledger/fabric-chaincode-go/v2/pkg/cid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/role"
)

// Attributes of a certificate, as Fabric CA certifies them.
const (
	RoleAttribute = "gxc_role"
	UserAttribute = "gxc_user"
)

// caller reads the identity that signed a proposal. Its ID is
// "x509::SUBJECT::ISSUER" and survives the renewal of the certificate.
func caller(s cid.ChaincodeStubInterface) (c contract.Caller, err error) {
	id, err := cid.New(s)
	if err != nil {
		return c, fmt.Errorf("the caller's certificate: %w", err)
	}
	if c.MSP, err = id.GetMSPID(); err != nil {
		return c, err
	}
	encoded, err := id.GetID()
	if err != nil {
		return c, err
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return c, err
	}
	c.ID = string(text)
	attribute, _, err := id.GetAttributeValue(RoleAttribute)
	if err != nil {
		return c, err
	}
	c.Role = role.Role(attribute)
	c.User, _, err = id.GetAttributeValue(UserAttribute)
	return c, err
}

// RoleOf returns the role that the contracts see in a certificate, empty when it
// carries none.
func RoleOf(cert *x509.Certificate) (role.Role, error) {
	attributes, err := attrmgr.New().GetAttributesFromCert(cert)
	if err != nil {
		return "", fmt.Errorf("the certificate's attributes: %w", err)
	}
	value, _, err := attributes.Value(RoleAttribute)
	return role.Role(value), err
}
