/* dsn_es.c - what a delivery report says to people, in Spanish. */
#include "base/civil.h"
#include "dsn_i.h"

static struct slice date(struct arena *a, int64_t t)
{
    struct civil c = civil_from_unix(t);
    return ar_printf(a, "%d/%d/%d a las %02d:%02d (UTC)", c.day, c.month, c.year, c.hour, c.minute);
}

const struct dsn_language dsn_es = {
    .tag = "es",
    .date = date,
    .subject = {[DSN_FAILED] = "No entregado a {}",
                [DSN_DELAYED] = "Todavía no entregado a {}",
                [DSN_DELIVERED] = "Entregado a {}",
                [DSN_RELAYED] = "Transmitido a {}",
                [DSN_EXPANDED] = "Transmitido a varios: {}"},
    .recipients = "{} destinatarios",
    .intro = "Este es un aviso del servidor de correo {} sobre un mensaje que usted envió.",
    .arrived = "Llegó aquí el {}.",
    .opening =
        {[DSN_FAILED] = "Para {}: el mensaje no se pudo entregar.",
         [DSN_DELAYED] = "Para {}: el mensaje todavía no se ha entregado; este servidor sigue intentándolo.",
         [DSN_DELIVERED] = "Para {}: el mensaje se ha entregado.",
         [DSN_RELAYED] = "Para {}: el mensaje se ha transmitido a un servidor que no envía avisos propios.",
         [DSN_EXPANDED] = "Para {}: el mensaje se ha transmitido a los miembros de una lista o de un alias."},
    .gave_up = "Este servidor lo intentó hasta el {} y después desistió.",
    .tries_until =
        "No tiene que hacer nada: este servidor lo intentará hasta el {} y le avisará si no lo consigue.",
    .tries = "No tiene que hacer nada: se le avisará si no se consigue.",
    .can = "Qué puede hacer: {}",
    .said = "El servidor {} respondió:",
    .reason = "El motivo indicado fue:",
    .whole = "El mensaje completo va adjunto.",
    .head = "La cabecera de su mensaje va adjunta.",
    .number = "Su número aquí es {}.",
    .cause =
        {[DSN_CAUSE_UNKNOWN] =
             {"El mensaje no fue aceptado; lo que se dice de ello más abajo es todo lo que se sabe.",
              "Si era importante, inténtelo más tarde o comuníquese con el destinatario por otro medio."},
         [DSN_CAUSE_INVALID] =
             {"Esa dirección no existe en el servidor del destinatario: el problema es la dirección.",
              "Busque un error en la parte anterior a la @. Si es correcta, el buzón no existe (o ya no "
              "existe): pregunte al destinatario por otro medio cuál es su dirección actual."},
         [DSN_CAUSE_NO_DOMAIN] =
             {"No se conoce ningún servidor de correo para el dominio de la dirección: el problema es la "
              "dirección.",
              "Busque un error en la parte posterior a la @, corríjalo y vuelva a enviar el mensaje."},
         [DSN_CAUSE_NO_MAIL] = {"El dominio de la dirección indica que no recibe correo.",
                                "Utilice otra dirección del destinatario."},
         [DSN_CAUSE_BAD_ADDRESS] = {"La dirección no está escrita como debe estarlo una dirección.",
                                    "Corrija la dirección y vuelva a enviar el mensaje."},
         [DSN_CAUSE_INACTIVE] = {"El buzón del destinatario está desactivado o ya no se usa. Solo el "
                                 "destinatario puede cambiarlo.",
                                 "Comuníquese con el destinatario por otro medio y pídale otra dirección."},
         [DSN_CAUSE_FULL] =
             {"El buzón del destinatario está lleno. Solo el destinatario puede cambiarlo.",
              "Pida al destinatario por otro medio que libere espacio y después vuelva a enviar el mensaje."},
         [DSN_CAUSE_POLICY] = {"Una norma del servidor del destinatario rechaza el mensaje; la dirección "
                               "bien puede ser correcta. La norma es de quienes administran ese servidor.",
                               "Muestre este aviso al destinatario o a su administrador de correo; la "
                               "respuesta reproducida más abajo quizá diga de qué norma se trata."},
         [DSN_CAUSE_AUTH] = {"El servidor del destinatario no pudo comprobar que el mensaje procede de su "
                             "dominio (SPF, DKIM o DMARC). El problema es la configuración de su dominio, no "
                             "la dirección del destinatario.",
                             "Muestre este aviso a su administrador de correo y vuelva a enviar el mensaje "
                             "cuando esté corregido."},
         [DSN_CAUSE_REPUTATION] = {"El servidor del destinatario desconfía del servidor del que procede el "
                                   "mensaje: su reputación está en duda o figura en una lista de bloqueo. Es "
                                   "asunto nuestro, no de la dirección del destinatario.",
                                   "Muestre este aviso a su administrador de correo; mientras tanto, "
                                   "comuníquese con el destinatario por otro medio."},
         [DSN_CAUSE_CONTENT] =
             {"El servidor del destinatario tomó el mensaje por correo no deseado o dañino, o no pudo leer "
              "su formato. El problema es el contenido del mensaje, no la dirección.",
              "Vuelva a enviarlo con menos enlaces y sin adjuntos sospechosos, o pida al destinatario por "
              "otro medio que permita sus mensajes."},
         [DSN_CAUSE_RATE] = {"El servidor del destinatario ha recibido demasiado correo en poco tiempo y por "
                             "ahora no acepta más. El problema es la cantidad, no la dirección.",
                             "Vuelva a enviar el mensaje dentro de unas horas y, si va a muchos "
                             "destinatarios, en partes más pequeñas."},
         [DSN_CAUSE_GREYLIST] =
             {"El servidor del destinatario pide a los remitentes que no conoce que vuelvan más tarde. Es "
              "una costumbre de ese servidor; la dirección no tiene nada de malo.",
              "Vuelva a enviar el mensaje dentro de unas horas o comuníquese con el destinatario por otro "
              "medio."},
         [DSN_CAUSE_SIZE] =
             {"El mensaje es demasiado grande para el servidor del destinatario: el problema es el mensaje.",
              "Envíe menos, o deje los archivos grandes donde se puedan descargar y envíe un enlace."},
         [DSN_CAUSE_FORM] = {"El servidor del destinatario no puede aceptar un mensaje con este formato: el "
                             "problema es el mensaje.",
                             "Envíelo como texto sin formato o con adjuntos sencillos, entre direcciones de "
                             "letras latinas sin acentos ni eñes."},
         [DSN_CAUSE_TLS] = {"El servidor del destinatario y el nuestro no se pusieron de acuerdo en una "
                            "conexión cifrada. Es asunto de los dos servidores, no de la dirección.",
                            "Muestre este aviso a su administrador de correo; mientras tanto, comuníquese "
                            "con el destinatario por otro medio."},
         [DSN_CAUSE_DNS] = {"El servidor del destinatario no acepta cómo figura en el DNS su dominio o "
                            "nuestro servidor. Es asunto nuestro, no de la dirección del destinatario.",
                            "Muestre este aviso a su administrador de correo y vuelva a enviar el mensaje "
                            "cuando esté corregido."},
         [DSN_CAUSE_RELAY] =
             {"El servidor indicado para el dominio del destinatario dice que no acepta correo para ese "
              "dominio, o que no lo acepta de nosotros. El problema es la configuración de los servidores.",
              "Busque un error en la parte posterior a la @. Si es correcta, avise al destinatario por otro "
              "medio o a su administrador de correo."},
         [DSN_CAUSE_PROTOCOL] =
             {"El servidor del destinatario y el nuestro no se entendieron. Es asunto de los dos servidores, "
              "no de la dirección.",
              "Inténtelo más tarde; si vuelve a ocurrir, muestre este aviso a su administrador de correo."},
         [DSN_CAUSE_NETWORK] = {"No se pudo conectar con el servidor del destinatario, no respondió a tiempo "
                                "o se cortó la conexión. Es asunto de ese servidor o del camino hasta él.",
                                "Busque un error en la parte posterior a la @. Si es correcta, inténtelo más "
                                "tarde o comuníquese con el destinatario por otro medio."},
         [DSN_CAUSE_TEMPORARY] =
             {"El servidor del destinatario tiene un problema propio y pasajero; ni la dirección ni el "
              "mensaje tienen la culpa.",
              "Vuelva a enviar el mensaje más tarde o comuníquese con el destinatario por otro medio."},
         [DSN_CAUSE_LOOP] =
             {"El mensaje dio vueltas entre servidores. El problema es cómo están configurados.",
              "Avise al administrador de correo del destinatario o al suyo."}},
};
