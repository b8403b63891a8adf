/* sasl.c - messages of simple SASL mechanisms (RFC 4616; RFC 4954 section 4 for the lines). */
#include "sasl.h"

#include "base/text.h"

static bool field_ok(struct slice s) { return s.n <= SASL_FIELD_MAX && utf8_valid(s); }

int sasl_plain_parse(struct slice message, struct sasl_plain *out)
{
    struct slice rest = message;
    if (!message.p || !sl_next(&rest, '\0', &out->authzid) || !sl_next(&rest, '\0', &out->authcid) ||
        !sl_next(&rest, '\0', &out->password) || rest.p)
        return err_set(ERR_SYNTAX, "PLAIN wants three fields with NUL between them");
    if (!out->authcid.n || !out->password.n) return err_set(ERR_SYNTAX, "user name and password must not be empty");
    if (!field_ok(out->authzid) || !field_ok(out->authcid) || !field_ok(out->password))
        return err_set(ERR_SYNTAX, "user name and password must be UTF-8 of at most %d bytes", SASL_FIELD_MAX);
    return 0;
}

int sasl_line_decode(struct arena *a, struct slice line, struct slice *out)
{
    *out = SL("");
    if (sl_eq(line, SL("*"))) return err_set(ERR_CANCELED, "the client gave the login up");
    if (sl_eq(line, SL("=")) || !line.n) return 0;
    return b64_decode_ar(a, line, true, out);
}
