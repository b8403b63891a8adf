/* crypto_i.h - what the files of this folder share and nobody else sees. */
#pragma once
/* OpenSSL has a type of its own called ERR_STATE. */
#define ERR_STATE openssl_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#undef ERR_STATE

#include <stdlib.h>

#include "base/log.h"
#include "crypto.h"

const EVP_MD *hash_md(enum hash_kind k); /* static */
