package iam

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// answerLimit bounds what is read of an answer; real ones have 1 or 2 KiB.
const answerLimit = 64 << 10

// ownRole asks STS who we are: the name of the role whose credentials creds
// are. Only the role's own name is in the answer, never its path.
func ownRole(ctx context.Context, client *http.Client, creds aws.Credentials, c Config) (string, error) {
	req, err := sign(ctx, creds, stsEndpoint(c.STSEndpoint, c.Region), bodyCallerIdentity, nil, time.Now())
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("sts GetCallerIdentity: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return "", fmt.Errorf("sts GetCallerIdentity: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("sts GetCallerIdentity: HTTP %d: %s", resp.StatusCode, awsError(body))
	}
	var answer struct {
		ARN string `xml:"GetCallerIdentityResult>Arn"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("sts GetCallerIdentity: cannot read the answer: %w", err)
	}
	return roleOf(answer.ARN)
}

// roleOf is the role in arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
func roleOf(arn string) (string, error) {
	_, rest, ok := strings.Cut(arn, ":assumed-role/")
	role, session, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || role == "" || session == "" {
		return "", fmt.Errorf("sts says that we are %q, which is not an assumed role: give the task a task role (taskRoleArn)", arn)
	}
	return role, nil
}

// awsError is the code and message of an AWS query error.
func awsError(body []byte) error {
	var e struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if err := xml.Unmarshal(body, &e); err != nil || e.Code == "" {
		return errors.New("no error code in the answer")
	}
	return fmt.Errorf("%s: %s", e.Code, e.Message)
}
