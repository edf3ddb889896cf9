# Reads network_data.json of a config drive, as `path TAB value`, and prints how the interface with the address `mac` gets
# its IPv4 address: `dhcp`, `none`, or `static ADDRESS MASK MTU SERVERS ROUTES`, with a dash for what is not there.

BEGIN { FS = "\t" }
{ value[$1] = $2 }
END {
    how = "dhcp"
    for (number = 0; ("links/" number "/id") in value; number++) {
        at = "links/" number "/"
        if (tolower(value[at "ethernet_mac_address"]) != mac) continue
        link = value[at "id"]
        mtu = value[at "mtu"]
        how = "none"
    }
    for (number = 0; ("networks/" number "/type") in value; number++) {
        at = "networks/" number "/"
        if (value[at "link"] != link) continue
        if (value[at "type"] == "ipv4_dhcp") how = "dhcp"
        if (value[at "type"] != "ipv4") continue
        routes = servers = ""
        for (each = 0; (at "routes/" each "/network") in value; each++) {
            route = at "routes/" each "/"
            routes = routes " " value[route "network"] "/" value[route "netmask"] " " value[route "gateway"]
        }
        for (each = 0; (at "services/" each "/address") in value; each++) {
            servers = servers (each ? "," : "") value[at "services/" each "/address"]
        }
        how = "static " value[at "ip_address"] " " value[at "netmask"] " " (mtu + 0 ? mtu : "-") " " (servers ? servers : "-") routes
        break
    }
    print how
}
