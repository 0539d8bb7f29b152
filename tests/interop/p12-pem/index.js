// Stands in for p12-pem, which only the command line of node-tak calls. Nothing here may ever be reached by a check:
// certificates are given to node-tak as PEM.
export function getPemFromP12() {
  throw new Error('p12-pem is a stand-in: give node-tak PEM files');
}
