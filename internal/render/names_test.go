package render

import "testing"

func TestMatch(t *testing.T) {
	m := newMatcher([]string{"Customer-No", "né"})
	tests := map[string]bool{
		"password": true, "Password": true, "PASSWORD": true, "pAsSwOrD": true, "dbPassword": true,
		"dbpassword": true, "password1": true, "pass_word": true, "passwd": true, "userPwd": true,
		"AccessToken": true, "accesstoken": true, "IDToken": true, "tokens": true, "TokenID": true,
		"card": true, "card_number": true, "Card": true, "cards": true, "creditcard": true, "cardNo": true,
		"X-Api-Key": true, "apikey": true, "APIKey": true, "api.key": true, "api key": true, "APIKEYS": true,
		"Authorization": true, "Proxy-Authorization": true, "Set-Cookie": true, "cookies": true,
		"client_secret": true, "clientsecret": true, "SecretArn": true, "session-id": true, "sessionId": true,
		"cvv": true, "CVV2": true, "cvc": true, "pin": true, "PIN": true, "PINs": true, "pin_code": true,
		"ssn": true, "IBAN": true, "privateKey": true, "credentials": true, "aws_credential": true,
		"customer_no": true, "CustomerNo": true, "CUSTOMERNO": true, "NÉ": true, "to\u200bken": true,

		"": false, "_": false, "Discard": false, "discard": false, "pinned": false, "Pinned": false,
		"cardinality": false, "tokenizer": false, "tokenization": false, "secretary": false,
		"postcard": false, "key": false, "keyboard": false, "shipping": false, "spin": false, "opinion": false,
		"company": false, "expand": false, "assn": false, "author": false, "session": false, "order": false,
		"customer": false, "number": false, "s": false, "primaryKey": false, "to": false,
	}
	for name, want := range tests {
		if got := m.match(name); got != want {
			t.Errorf("match(%q) = %v", name, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { m.match("X-Forwarded-Api-Kay") }); n > 0 {
		t.Errorf("match allocates %v times", n)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("card", "_")
	f.Add("", "\xff")
	m := newMatcher(nil)
	f.Fuzz(func(t *testing.T, a, b string) {
		m.match(a + b)
		// A masked word that stands between separators is always found.
		for _, name := range []string{"token", "card", "pin"} {
			if whole := a + "_" + name + "-" + b; !m.match(whole) {
				t.Errorf("%q isn't masked", whole)
			}
		}
	})
}
