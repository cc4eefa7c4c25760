/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tls - certificates on both sides, by GnuTLS
 */
#include <dlfcn.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "core/guard.h"
#include "core/tls.h"

#define FUNCTIONS(X)                                    \
	X(gnutls_alert_get)                             \
	X(gnutls_alert_get_name)                        \
	X(gnutls_bye)                                   \
	X(gnutls_certificate_allocate_credentials)      \
	X(gnutls_certificate_free_credentials)          \
	X(gnutls_certificate_send_x509_rdn_sequence)    \
	X(gnutls_certificate_server_set_request)        \
	X(gnutls_certificate_set_x509_crl_file)         \
	X(gnutls_certificate_set_x509_key_file)         \
	X(gnutls_certificate_set_x509_system_trust)     \
	X(gnutls_certificate_set_x509_trust_file)       \
	X(gnutls_certificate_type_get)                  \
	X(gnutls_certificate_verification_status_print) \
	X(gnutls_credentials_set)                       \
	X(gnutls_deinit)                                \
	X(gnutls_handshake)                             \
	X(gnutls_init)                                  \
	X(gnutls_record_check_pending)                  \
	X(gnutls_record_recv)                           \
	X(gnutls_record_send)                           \
	X(gnutls_session_get_verify_cert_status)        \
	X(gnutls_session_set_verify_cert)               \
	X(gnutls_set_default_priority)                  \
	X(gnutls_strerror)                              \
	X(gnutls_transport_set_int2)

/* All that we use of the library, under the same names. */
struct library {
#define MEMBER(name) __typeof__(name) *name;
	FUNCTIONS(MEMBER)
#undef MEMBER
};

struct tls {
	struct library lib;
	gnutls_certificate_credentials_t creds;
	gnutls_session_t session;
	char problem[120];
};

static int load(struct library *lib, struct err *err)
{
	static const struct {
		const char *name;
		size_t at;
	} functions[] = {
#define ROW(name) { #name, offsetof(struct library, name) },
		FUNCTIONS(ROW)
#undef ROW
	};
	void *so = dlopen("libgnutls.so.30", RTLD_NOW | RTLD_LOCAL);
	size_t i;

	for (i = 0; so && i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(so, functions[i].name);

		if (!f)
			break;
		memcpy((char *)lib + functions[i].at, &f, sizeof(f));
	}
	if (so && i == sizeof(functions) / sizeof(functions[0]))
		return 0;
	err_set(err, ENOENT, "cannot use --tls");
	err_why(err, "%s", dlerror());
	return err_hint(err, "install GnuTLS (package libgnutls30)");
}

/* ---- files ---- */

static const char *file_of(const char *given, const char *usual)
{
	return given ? given : usual;
}

static int no_file(struct tls *t, const char *option, const char *path, int code, struct err *err)
{
	err_set(err, EINVAL, "cannot use %s as --%s", path, option);
	err_why(err, "%s", t->lib.gnutls_strerror(code));
	return err_hint(err, "give a file in PEM format that can be read");
}

static int load_authorities(struct tls *t, const struct remote_opts *o, struct err *err)
{
	const char *path = file_of(o->tls_cacert, "/etc/pki/CA/cacert.pem");
	const char *crl = file_of(o->tls_cacrl, "/etc/pki/CA/cacrl.pem");
	int ret;

	if (!o->tls_cacert)
		t->lib.gnutls_certificate_set_x509_system_trust(t->creds);
	ret = t->lib.gnutls_certificate_set_x509_trust_file(t->creds, path, GNUTLS_X509_FMT_PEM);
	if (ret <= 0 && o->tls_cacert)
		return no_file(t, "tls-cacert", path, ret ? ret : GNUTLS_E_NO_CERTIFICATE_FOUND,
			       err);
	if (!o->tls_cacrl && access(crl, R_OK) < 0)
		return 0;
	ret = t->lib.gnutls_certificate_set_x509_crl_file(t->creds, crl, GNUTLS_X509_FMT_PEM);
	return ret < 0 ? no_file(t, "tls-cacrl", crl, ret, err) : 0;
}

static int load_files(struct tls *t, const struct remote_opts *o, struct err *err)
{
	const char *cert = file_of(o->tls_cert, "/etc/pki/criu/cert.pem");
	const char *key = file_of(o->tls_key, "/etc/pki/criu/private/key.pem");
	int ret = t->lib.gnutls_certificate_allocate_credentials(&t->creds);

	if (ret < 0)
		return err_set(err, ENOMEM, "cannot use --tls");
	if (load_authorities(t, o, err) < 0)
		return -err->code;
	ret = t->lib.gnutls_certificate_set_x509_key_file(t->creds, cert, key, GNUTLS_X509_FMT_PEM);
	if (ret == 0)
		return 0;
	no_file(t, "tls-cert", cert, ret, err);
	return err_in(err, "with --tls-key %s", key);
}

/* ---- the session ---- */

/* A negative errno for what GnuTLS says; the text is kept. */
static int errno_of(struct tls *t, long ret)
{
	gnutls_datum_t text = { 0 };
	const char *why = t->lib.gnutls_strerror((int)ret);
	unsigned int status;

	if (ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED)
		return -EAGAIN;
	if (ret == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
		status = t->lib.gnutls_session_get_verify_cert_status(t->session);
		if (t->lib.gnutls_certificate_verification_status_print(
			    status, t->lib.gnutls_certificate_type_get(t->session), &text, 0) == 0)
			why = (const char *)text.data;
	} else if (ret == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		why = t->lib.gnutls_alert_get_name(t->lib.gnutls_alert_get(t->session));
	}
	snprintf(t->problem, sizeof(t->problem), "%s", why ? why : "the other side has refused it");
	return -EPROTO;
}

static int shake_hands(struct tls *t, struct err *err)
{
	int ret;

	do {
		ret = t->lib.gnutls_handshake(t->session);
		ret = ret < 0 ? errno_of(t, ret) : 0;
		if (ret == -EAGAIN && guard_check(err) < 0)
			return -err->code;
	} while (ret == -EAGAIN);
	return ret;
}

static int start(struct tls *t, const struct remote_opts *o, int fd, bool server, struct err *err)
{
	unsigned int flags = (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_SIGNAL;
	int ret;

	if (t->lib.gnutls_init(&t->session, flags) < 0 ||
	    t->lib.gnutls_set_default_priority(t->session) < 0 ||
	    t->lib.gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->creds) < 0)
		return err_set(err, ENOMEM, "cannot begin TLS");
	if (server) {
		t->lib.gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
		/* the list of authorities is not sent: certificates are chosen by hand */
		t->lib.gnutls_certificate_send_x509_rdn_sequence(t->session, 1);
	}
	t->lib.gnutls_session_set_verify_cert(t->session, o->tls_no_cn_verify ? NULL : o->address,
					      0);
	t->lib.gnutls_transport_set_int2(t->session, fd, fd);
	ret = shake_hands(t, err);
	if (ret == 0 || err->code)
		return ret;
	err_set(err, -ret, "cannot begin TLS");
	err_why(err, "%s", t->problem);
	return err_hint(err, "both sides need --tls, a certificate that the other one's "
			     "--tls-cacert has signed, and an --address that it is for");
}

int tls_start(struct arena *a, const struct remote_opts *o, int fd, bool server,
	      struct tls **tls_ret, struct err *err)
{
	struct tls *t = arena_new(a, struct tls);

	if (load(&t->lib, err) < 0)
		return -err->code;
	if (load_files(t, o, err) < 0 || start(t, o, fd, server, err) < 0) {
		if (t->session)
			t->lib.gnutls_deinit(t->session);
		if (t->creds)
			t->lib.gnutls_certificate_free_credentials(t->creds);
		return -err->code;
	}
	log_info("The connection is encrypted");
	*tls_ret = t;
	return 0;
}

ssize_t tls_send(struct tls *t, const void *buf, size_t len)
{
	ssize_t n = t->lib.gnutls_record_send(t->session, buf, len);

	return n < 0 ? errno_of(t, n) : n;
}

ssize_t tls_recv(struct tls *t, void *buf, size_t len)
{
	ssize_t n = t->lib.gnutls_record_recv(t->session, buf, len);

	return n < 0 ? errno_of(t, n) : n;
}

bool tls_pending(const struct tls *t)
{
	return t->lib.gnutls_record_check_pending(t->session) > 0;
}

const char *tls_problem(const struct tls *t)
{
	return t->problem;
}

void tls_end(struct tls *t, bool wait)
{
	enum { SECONDS = 5 };
	struct err ignored = { 0 };
	int i;

	/* the socket waits a second at a time */
	for (i = 0; i < SECONDS && guard_check(&ignored) == 0; i++) {
		int ret = t->lib.gnutls_bye(t->session, wait ? GNUTLS_SHUT_RDWR : GNUTLS_SHUT_WR);

		if (ret != GNUTLS_E_AGAIN && ret != GNUTLS_E_INTERRUPTED)
			break;
	}
	t->lib.gnutls_deinit(t->session);
	t->lib.gnutls_certificate_free_credentials(t->creds);
}
