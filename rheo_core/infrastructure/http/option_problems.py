"""Check the certificates, cookie files and interfaces that request options name."""

from collections.abc import Callable, Iterator
from functools import partial

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import RequestOptions

from .auth import check_netrc
from .routes import Route, check_interface
from .tls import tls_of


def faults_of(options: RequestOptions) -> Iterator[tuple[str, str]]:
    """Yield the name of each option that is unusable now, with a sentence. Reads files."""
    for option, check in _checks(options):
        try:
            check()
        except RequestOptionsError as error:
            yield option, f"{error}."


def _checks(options: RequestOptions) -> Iterator[tuple[str, Callable[[], object]]]:
    if options.cookies is not None:
        from .cookies import check_cookies  # imports aiohttp

        yield "cookies", partial(check_cookies, options.cookies)
    if options.netrc:
        yield "netrc", check_netrc
    if options.ca_file is not None:
        authority = RequestOptions(ca_file=options.ca_file)
        yield "ca_file", partial(tls_of, authority, insecure=False)
    if options.client_cert is not None:
        certificate = RequestOptions(client_cert=options.client_cert, client_key=options.client_key)
        yield "client_cert", partial(tls_of, certificate, insecure=False)
    if options.interface is not None and Route(interface=options.interface).is_named:
        yield "interface", partial(check_interface, options.interface)
