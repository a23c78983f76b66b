// Command go-sev-guest runs google/go-sev-guest over cases from standard input, one JSON object a
// line, and prints one JSON object a line: whether it authenticates the report, and whether it accepts
// it under the policy that a caller of Assay gets by default.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

type input struct {
	Name    string
	Report  []byte
	Vcek    []byte
	Vlek    []byte
	Product string
	// Empty: the roots that the library embeds.
	Ark  []byte
	Ask  []byte
	Asvk []byte
	Crl  []byte
	At   time.Time
}

type output struct {
	Name     string `json:"name"`
	Verify   string `json:"verify"`
	Validate string `json:"validate"`
}

// offline answers no request: everything that a case needs travels with it.
type offline struct{}

func (offline) Get(string) ([]byte, error) { return nil, errors.New("offline") }

func certificate(der []byte) (*x509.Certificate, error) {
	if len(der) == 0 {
		return nil, nil
	}
	return x509.ParseCertificate(der)
}

func roots(in *input) (map[string][]*trust.AMDRootCerts, error) {
	if len(in.Ark) == 0 {
		return nil, nil
	}
	root := trust.AMDRootCertsProduct(in.Product)
	root.ProductCerts = &trust.ProductCerts{}
	var err error
	for _, part := range []struct {
		der []byte
		to  **x509.Certificate
	}{
		{in.Ark, &root.ProductCerts.Ark},
		{in.Ask, &root.ProductCerts.Ask},
		{in.Asvk, &root.ProductCerts.Asvk},
	} {
		if *part.to, err = certificate(part.der); err != nil {
			return nil, err
		}
	}
	if len(in.Crl) > 0 {
		if root.CRL, err = x509.ParseRevocationList(in.Crl); err != nil {
			return nil, err
		}
	}
	return map[string][]*trust.AMDRootCerts{in.Product: {root}}, nil
}

func attestation(in *input) (*spb.Attestation, error) {
	report, err := abi.ReportToProto(in.Report)
	if err != nil {
		return nil, err
	}
	chain := &spb.CertificateChain{
		VcekCert: in.Vcek, VlekCert: in.Vlek, AskCert: in.Ask, ArkCert: in.Ark,
	}
	return &spb.Attestation{Report: report, CertificateChain: chain}, nil
}

func authenticate(in *input) (*spb.Attestation, error) {
	trusted, err := roots(in)
	if err != nil {
		return nil, err
	}
	evidence, err := attestation(in)
	if err != nil {
		return nil, err
	}
	return evidence, verify.SnpAttestation(evidence, &verify.Options{
		CheckRevocations:    len(in.Crl) > 0,
		DisableCertFetching: true,
		Getter:              offline{},
		Now:                 in.At,
		TrustedRoots:        trusted,
	})
}

// appraise asks nothing of PLATFORM_INFO but that the library knows its bits.
func appraise(evidence *spb.Attestation) error {
	vmpl := 0
	platform, err := abi.ParseSnpPlatformInfo(evidence.Report.PlatformInfo)
	if err != nil {
		return err
	}
	return validate.SnpAttestation(evidence, &validate.Options{
		GuestPolicy:  abi.SnpPolicy{SMT: true},
		PlatformInfo: &platform,
		VMPL:         &vmpl,
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func judge(in *input) (out output) {
	out.Name = in.Name
	defer func() {
		if r := recover(); r != nil {
			out.Verify = fmt.Sprintf("panic: %v", r)
		}
	}()
	evidence, err := authenticate(in)
	out.Verify = text(err)
	if err == nil {
		out.Validate = text(appraise(evidence))
	}
	return out
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
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
