"""Calls the partner API through a gateway: client.py GATEWAY SANDBOX SESSION-COOKIE"""

import sys

import requests
import zeep
from zeep.transports import Transport

GATEWAY, SANDBOX, COOKIE = sys.argv[1:]
PARTNER = "{http://exacttarget.com/wsdl/partnerAPI}"


def session(cookie):
    """A session as a tool's script has it: the cookie, and where its requests come from."""
    made = requests.Session()
    made.headers["Origin"] = GATEWAY
    if cookie:
        made.cookies.set("sidegate", cookie, domain="127.0.0.1", path="/")
    return made


def service(client):
    return client.create_service(PARTNER + "SoapBinding", GATEWAY + "/mc/soap/Service.asmx")


def arm(**faults):
    requests.put(SANDBOX + "/sandbox/faults", json=faults, timeout=10).raise_for_status()


def pages(api, kind, after_first=lambda: None, say=False):
    """Retrieves page after page until there is no more."""
    found, request = [], {"ObjectType": kind, "Properties": ["EmailAddress", "SubscriberKey"]}
    while True:
        answer = api.Retrieve(RetrieveRequest=request)
        if say:
            print("retrieve:", len(answer.Results), answer.OverallStatus)
        found += answer.Results
        if answer.OverallStatus != "MoreDataAvailable":
            return found
        if len(found) == len(answer.Results):
            after_first()
        request = {"ObjectType": kind, "ContinueRequest": answer.RequestID}


def expect_fault(call):
    try:
        call()
    except zeep.exceptions.Fault as fault:
        return fault
    raise AssertionError("no fault")


signed_in = session(COOKIE)
client = zeep.Client(GATEWAY + "/mc/soap/etframework.wsdl", transport=Transport(session=signed_in, timeout=20))
api = service(client)

definition = api.Describe(DescribeRequests={"ObjectDefinitionRequest": [{"ObjectType": "Subscriber"}]})
described = definition.ObjectDefinition[0]
print("describe:", described.ObjectType, "has", ", ".join(p.Name for p in described.Properties))

found = pages(api, "Subscriber", say=True)
print(f"retrieved: {len(found)}, {found[0].EmailAddress} to {found[-1].EmailAddress}")

units = api.Retrieve(RetrieveRequest={"ObjectType": "BusinessUnit"})
print("business units:", ", ".join(unit.Name for unit in units.Results))

subscriber = client.get_type(PARTNER + "Subscriber")
created = api.Create(
    Objects=[
        subscriber(EmailAddress="new@example.com", SubscriberKey="<K> & \"é\""),
        subscriber(EmailAddress="nobody"),
        subscriber(EmailAddress="new@example.com"),
    ]
)
print(f"create: {created.OverallStatus};", ", ".join(f"{r.StatusCode} {r.StatusMessage}" for r in created.Results))
everybody = pages(api, "Subscriber")
assert everybody[-1].SubscriberKey == "<K> & \"é\"", everybody[-1]
print("after create:", len(everybody))

arm(soap={"fault": "500", "times": 1})
print("server fault:", expect_fault(lambda: pages(api, "Subscriber")).message)

found = pages(api, "Subscriber", after_first=lambda: arm(soap={"fault": "token_expired", "times": 1}))
print("token expired in the middle:", len(found), "retrieved")

arm(soap={"fault": "login_failed"})
print("login failed:", expect_fault(lambda: pages(api, "Subscriber")).message)
arm()

# The gateway's own refusals are faults to the client, too.
reply = signed_in.post(
    GATEWAY + "/mc/soap/Service.asmx",
    data='<!DOCTYPE a><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
    headers={"Content-Type": "text/xml"},
    timeout=10,
)
print("document type:", expect_fault(lambda: api._binding.process_reply(client, api._binding.get("Retrieve"), reply)).message)

client.transport.session.cookies.clear()
fault = expect_fault(lambda: pages(api, "Subscriber"))
print("signed out:", fault.message)
