/*
 * The cryptography of PACE, secure messaging and terminal authentication as libeac
 * (OpenPACE) does it, one step a line: a command and its arguments come in,
 * bytes in hexadecimal; "= RESULT" or "! failed" goes out.
 */
#include <eac/eac.h>
#include <eac/pace.h>
#include <eac/ta.h>
#include <openssl/objects.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static EAC_CTX *ctx;
static PACE_SEC *secret;

static BUF_MEM *bytes(const char *hex)
{
	BUF_MEM *b = BUF_MEM_new();
	size_t n = hex ? strlen(hex) / 2 : 0;
	unsigned byte;
	if (!b || (n && !BUF_MEM_grow(b, n)))
		exit(2);
	for (size_t i = 0; i < n; i++)
		b->data[i] = sscanf(hex + 2 * i, "%2x", &byte) == 1 ? (char)byte : 0;
	return b;
}

static void said(int ok)
{
	puts(ok == 1 ? "=" : "! failed");
}

static void gave(const BUF_MEM *b)
{
	if (!b) {
		said(0);
		return;
	}
	printf("= ");
	for (size_t i = 0; i < b->length; i++)
		printf("%02x", (unsigned char)b->data[i]);
	putchar('\n');
}

static int begin(const BUF_MEM *cardaccess, int type, const char *password)
{
	ctx = EAC_CTX_new();
	secret = PACE_SEC_new(password, strlen(password), type);
	return ctx && secret && EAC_CTX_init_ef_cardaccess((unsigned char *)cardaccess->data, cardaccess->length, ctx) && ctx->pace_ctx;
}

static int trust(const BUF_MEM *certificate, const BUF_MEM *private)
{
	ctx = EAC_CTX_new();
	if (!EAC_CTX_init_ta(ctx, private->length ? (unsigned char *)private->data : NULL, private->length, (unsigned char *)certificate->data, certificate->length))
		return 0;
	TA_disable_checks(ctx); /* of the dates: there is no clock in a test */
	return 1;
}

static int certificate(const BUF_MEM *b)
{
	return TA_STEP2_import_certificate(ctx, (unsigned char *)b->data, b->length);
}

static void run(const char *c, char *a[])
{
	BUF_MEM *first = bytes(a[0]);
	if (!strcmp(c, "pace"))
		said(begin(first, atoi(a[1]), a[2]));
	else if (!strcmp(c, "seal"))
		gave(PACE_STEP1_enc_nonce(ctx, secret));
	else if (!strcmp(c, "unseal"))
		said(PACE_STEP2_dec_nonce(ctx, secret, first));
	else if (!strcmp(c, "mapping"))
		gave(PACE_STEP3A_generate_mapping_data(ctx));
	else if (!strcmp(c, "map"))
		said(PACE_STEP3A_map_generator(ctx, first));
	else if (!strcmp(c, "ephemeral"))
		gave(PACE_STEP3B_generate_ephemeral_key(ctx));
	else if (!strcmp(c, "agree"))
		said(PACE_STEP3B_compute_shared_secret(ctx, first) && PACE_STEP3C_derive_keys(ctx));
	else if (!strcmp(c, "token"))
		gave(PACE_STEP3D_compute_authentication_token(ctx, first));
	else if (!strcmp(c, "verify"))
		said(PACE_STEP3D_verify_authentication_token(ctx, first));
	else if (!strcmp(c, "open"))
		said(EAC_CTX_set_encryption_ctx(ctx, EAC_ID_PACE) && EAC_reset_ssc(ctx));
	else if (!strcmp(c, "step"))
		said(EAC_increment_ssc(ctx));
	else if (!strcmp(c, "encrypt"))
		gave(EAC_encrypt(ctx, EAC_add_iso_pad(ctx, first)));
	else if (!strcmp(c, "decrypt"))
		gave(EAC_remove_iso_pad(EAC_decrypt(ctx, first)));
	else if (!strcmp(c, "sign"))
		gave(EAC_authenticate(ctx, first));
	else if (!strcmp(c, "trust"))
		said(trust(first, bytes(a[1])));
	else if (!strcmp(c, "certificate"))
		said(certificate(first));
	else if (!strcmp(c, "challenge"))
		gave(TA_STEP4_get_nonce(ctx));
	else if (!strcmp(c, "challenged"))
		said(TA_STEP4_set_nonce(ctx, first));
	else if (!strcmp(c, "prove"))
		gave(TA_STEP5_sign(ctx, first, bytes(a[1]), NULL));
	else if (!strcmp(c, "proven"))
		said(TA_STEP6_verify(ctx, first, bytes(a[1]), NULL, bytes(a[2])));
	else
		said(0);
}

int main(void)
{
	static char line[1 << 16];
	EAC_init();
	/* 3DES checksums want single DES, which OpenSSL 3 keeps apart */
	OSSL_PROVIDER_load(NULL, "legacy");
	OSSL_PROVIDER_load(NULL, "default");
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		char *a[6] = {0}, *c = strtok(line, " \n");
		for (int i = 0; c && i < 5 && (a[i] = strtok(NULL, " \n")); i++)
			;
		if (c)
			run(c, a);
	}
	return 0;
}
