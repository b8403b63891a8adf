/* template.h - texts with places in them that are filled from JSON: the Handlebars subset that SendGrid and
 * SES document, Mailjet's templating language, and plain substitutions. Pure.
 *
 * A template is hostile, and so is its data: compiling and rendering are bounded in depth, steps and size,
 * and each failure says what failed and where ("line 3, column 7: the block if is not closed"). What cannot
 * be rendered gives no text at all. */
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    TEMPLATE_SOURCE_MAX = 1 << 20,  /* bytes of a source */
    TEMPLATE_OUTPUT_MAX = 10 << 20, /* bytes that come out of it */
    TEMPLATE_NODES_MAX = 20000,     /* pieces of text, prints, blocks, arguments */
    TEMPLATE_DEPTH_MAX =
        40, /* blocks, or brackets, inside one another; inline partials that call each other */
    TEMPLATE_STEPS_MAX = 300000, /* pieces rendered, loops, names looked up */
};

enum template_language { TEMPLATE_NONE, TEMPLATE_HANDLEBARS, TEMPLATE_MAILJET };
struct template_how {
    enum template_language language;
    bool escape;  /* {{x}} is written as HTML text (Handlebars) */
    bool strict;  /* a value that is printed and is not there is an error (SES, Mailjet), not nothing
                     (SendGrid) */
    bool lenient; /* what fails is left out, unless a limit is reached (Mailjet's TemplateErrorDeliver) */
};
struct template;
/* Lies in a; keeps slices of the source, which must live as long. ERR_SYNTAX, ERR_UNSUPPORTED, ERR_LIMIT. */
MUST_CHECK int template_compile(struct arena *a, struct template_how how, struct slice source,
                                const struct template **out);
/* Adds the text to out; adds nothing when it fails. data: a JSON object, or NULL. ERR_NOT_FOUND (strict),
 * ERR_SYNTAX, ERR_LIMIT. Any number of renderings of one template may go on at once. */
MUST_CHECK int template_render(const struct template *t, const json_t *data, struct buf *out);

/* Adds text to out with each key of the object replaced by its value, in one pass, the longest key first;
 * nothing is escaped. ERR_LIMIT: too many steps, or the result is too long; then nothing is added. */
MUST_CHECK int template_replace(struct slice text, const json_t *substitutions, struct buf *out);
