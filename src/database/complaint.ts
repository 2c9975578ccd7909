/** An error whose message tells a person all there is to know; a stack would only hide it. */
export class Complaint extends Error {
  override readonly name = "Complaint";
}
