/*
 * A reader by others: libmrtd opens a chip by BAC and reads the files named on the
 * command line after document number, birth and expiry. Commands go out on standard
 * output in hexadecimal, answers come in on standard input; each file follows
 * "file ID ". libnfc, which would carry them, is not needed: its one function is here.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <nfc/nfc.h>
#include <mrtd/mrtd.h>

static void out(const char *head, const uint8_t *b, size_t n)
{
	fputs(head, stdout);
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	putchar('\n');
	fflush(stdout);
}

static size_t in(const char *hex, uint8_t *b, size_t room)
{
	size_t n = 0;
	unsigned byte;
	while (n < room && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		b[n++] = (uint8_t)byte;
	return n;
}

int nfc_initiator_transceive_bytes(nfc_device *d, const uint8_t *tx, size_t n, uint8_t *rx, size_t room, int timeout)
{
	static char line[1 << 17];
	(void)d, (void)timeout;
	out("> ", tx, n);
	if (!fgets(line, sizeof line, stdin))
		exit(2);
	return (int)in(line, rx, room);
}

void nfc_perror(const nfc_device *d, const char *s)
{
	(void)d;
	fprintf(stderr, "%s\n", s);
}

int main(int argc, char *argv[])
{
	static const uint8_t select[] = {0x00, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01};
	static uint8_t file[1 << 17];
	uint8_t kmrz[32], enc[16], mac[16], answer[300], id[2];
	uint64_t counter;
	int n;
	if (argc < 4 || nfc_initiator_transceive_bytes(NULL, select, sizeof select, answer, sizeof answer, 0) < 2)
		return 2;
	mrtd_bac_get_kmrz((uint8_t *)argv[1], (uint8_t *)argv[2], (uint8_t *)argv[3], kmrz);
	mrtd_bac_randomize_rndifd_kifd();
	if (mrtd_bac_keyhandshake(NULL, kmrz, enc, mac, &counter) < 0)
		return 3;
	for (int i = 4; i < argc; i++) {
		in(argv[i], id, sizeof id);
		n = 0;
		mrtd_fileread_read(NULL, id, file, &n, enc, mac, &counter);
		printf("file %s ", argv[i]);
		out("", file, n > 0 ? (size_t)n : 0);
	}
	return 0;
}
