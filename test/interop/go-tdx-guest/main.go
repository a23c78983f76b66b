// Command go-tdx-guest runs google/go-tdx-guest over cases from standard input, one JSON object a
// line, and prints one JSON object a line: whether it verifies the quote with the collateral that
// travels with the case.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/go-tdx-guest/verify"
)

type collateral struct {
	PckCrlIssuerChain     string `json:"pck_crl_issuer_chain"`
	RootCaCrl             string `json:"root_ca_crl"`
	PckCrl                string `json:"pck_crl"`
	TcbInfoIssuerChain    string `json:"tcb_info_issuer_chain"`
	TcbInfo               string `json:"tcb_info"`
	TcbInfoSignature      string `json:"tcb_info_signature"`
	QeIdentityIssuerChain string `json:"qe_identity_issuer_chain"`
	QeIdentity            string `json:"qe_identity"`
	QeIdentitySignature   string `json:"qe_identity_signature"`
}

type input struct {
	Name       string
	Quote      []byte
	Collateral collateral
	At         time.Time
	// DER root in place of Intel's; may be absent.
	Root []byte
}

type output struct {
	Name   string `json:"name"`
	Verify string `json:"verify"`
}

// Get plays Intel's PCS with the collateral of the case.
func (c *collateral) Get(address string) (map[string][]string, []byte, error) {
	chain := func(name, pem string) map[string][]string {
		return map[string][]string{name: {url.QueryEscape(pem)}}
	}
	switch {
	case strings.Contains(address, "/tcb?"):
		body := fmt.Sprintf(`{"tcbInfo":%s,"signature":"%s"}`, c.TcbInfo, c.TcbInfoSignature)
		return chain("Tcb-Info-Issuer-Chain", c.TcbInfoIssuerChain), []byte(body), nil
	case strings.Contains(address, "/qe/identity"):
		body := fmt.Sprintf(`{"enclaveIdentity":%s,"signature":"%s"}`, c.QeIdentity, c.QeIdentitySignature)
		return chain("Sgx-Enclave-Identity-Issuer-Chain", c.QeIdentityIssuerChain), []byte(body), nil
	case strings.Contains(address, "/pckcrl"):
		der, err := hex.DecodeString(c.PckCrl)
		return chain("Sgx-Pck-Crl-Issuer-Chain", c.PckCrlIssuerChain), der, err
	case strings.HasSuffix(address, ".crl"), strings.HasSuffix(address, ".der"):
		der, err := hex.DecodeString(c.RootCaCrl)
		return nil, der, err
	}
	return nil, nil, fmt.Errorf("nothing is served at %s", address)
}

func judge(in *input) (out output) {
	out.Name = in.Name
	defer func() {
		if r := recover(); r != nil {
			out.Verify = fmt.Sprintf("panic: %v", r)
		}
	}()
	options := &verify.Options{
		CheckRevocations: true,
		GetCollateral:    true,
		Getter:           &in.Collateral,
		Now:              in.At,
	}
	var err error
	if in.Root != nil {
		var root *x509.Certificate
		if root, err = x509.ParseCertificate(in.Root); err == nil {
			options.TrustedRoots = x509.NewCertPool()
			options.TrustedRoots.AddCert(root)
		}
	}
	if err == nil {
		err = verify.RawTdxQuote(in.Quote, options)
	}
	if err != nil {
		out.Verify = err.Error()
	}
	return out
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var in input
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := answers.Encode(judge(&in)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
