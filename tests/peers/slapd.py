"""OpenLDAP's slapd with three people, at free ports of 127.0.0.1: in clear and with TLS."""
import shutil
import socket
import subprocess

from world import until

ADDRESS = "127.0.0.1"
BASE = "dc=home,dc=test"
PATH = "/usr/sbin:/sbin:/usr/bin"
CONF = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
rootpw admin
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.base="cn=tram,{base}" read by * none
"""
PEOPLE = """dn: {base}
objectClass: dcObject
objectClass: organization
dc: home
o: home

dn: cn=tram,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: tram
userPassword: to be asked

dn: uid=carol,{base}
objectClass: inetOrgPerson
uid: carol
cn: Carol (of the office)
sn: C
employeeType: 5G
mail: carol@home.test
mail: office@home.test
userPassword: secret

dn: uid=dave,{base}
objectClass: inetOrgPerson
uid: dave
cn: Dave
sn: D
mail: dave@home.test
mail: shared@home.test
userPassword: dave's

dn: uid=eve,{base}
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: E
mail: shared@home.test
mail: eve@home.test
"""


def free_port():
    with socket.socket() as s:
        s.bind((ADDRESS, 0))
        return s.getsockname()[1]


class Slapd:
    def __init__(self, folder):
        folder.mkdir()
        (folder / "db").mkdir()
        self.folder, self.port, self.tls_port, self.process = folder, free_port(), free_port(), None
        self.url, self.tls_url = f"ldap://{ADDRESS}:{self.port}", f"ldaps://{ADDRESS}:{self.tls_port}"
        (folder / "password").write_text("to be asked\n")
        (folder / "slapd.conf").write_text(CONF.format(folder=folder, base=BASE))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=ldap",
                        "-addext", f"subjectAltName=IP:{ADDRESS}", "-keyout", str(folder / "key.pem"),
                        "-out", str(folder / "cert.pem")], check=True, capture_output=True)
        subprocess.run([shutil.which("slapadd", path=PATH), "-f", str(folder / "slapd.conf")],
                       input=PEOPLE.format(base=BASE), text=True, check=True, capture_output=True)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([shutil.which("slapd", path=PATH), "-d", "0", "-f", str(self.folder / "slapd.conf"),
                                             "-h", f"{self.url} {self.tls_url}"], stdout=log, stderr=log)

        def answers():
            try:
                socket.create_connection((ADDRESS, self.port), 1).close()
                return True
            except OSError:
                return self.process.poll() is not None

        until(answers, what="slapd")
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def change(self, ldif):
        """As the administrator, by OpenLDAP's own client."""
        subprocess.run(["ldapmodify", "-x", "-H", self.url, "-D", f"cn=admin,{BASE}", "-w", "admin"],
                       input=ldif.format(base=BASE), text=True, check=True, capture_output=True)
