/* tls_error.c - what OpenSSL has to say when something failed. */
#include "tls_i.h"

const char *tls_reason(void)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : code ? "system error" : "no reason given";
}

int tls_fail(const char *what)
{
    const char *reason = tls_reason();
    return err_set(ERR_TLS, "%s: %s", what, reason);
}
